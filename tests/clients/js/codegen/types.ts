// Lines that must not compile. TypeScript fails if one of them has no error.
import type { ResultOf, VariablesOf } from "@graphql-typed-document-node/core";
import { graphql } from "./generated";
import type { DeviceStatusInput, StatusFieldsFragment } from "./generated/graphql";
import { variables } from "./input";
import type { Add, One, Page } from "./operations";

const { deviceStatus } = variables.input;
declare const page: ResultOf<typeof Page>;
declare const one: ResultOf<typeof One>;
declare const status: StatusFieldsFragment;

// @ts-expect-error A configuration may be null.
page.iosLobAppProvisioningConfiguration.deviceStatuses;

// @ts-expect-error The document does not select it.
page.iosLobAppProvisioningConfiguration?.displayName;

// @ts-expect-error The first item of a list may be missing.
page.iosLobAppProvisioningConfiguration?.deviceStatuses?.nodes[0].id;

// @ts-expect-error A fragment's fields are read through the fragment.
one.node?.deviceDisplayName;

// @ts-expect-error DateTimeOffset is text.
status.lastReportedDateTime satisfies number | null;

// @ts-expect-error A variable is missing.
({}) satisfies VariablesOf<typeof One>;

// @ts-expect-error An id is text.
({ id: 1 }) satisfies VariablesOf<typeof One>;

// @ts-expect-error The enum has no such member.
({ ...deviceStatus, status: "BROKEN" }) satisfies DeviceStatusInput;

// @ts-expect-error A date is text.
({ ...deviceStatus, lastReportedDateTime: new Date() }) satisfies DeviceStatusInput;

// @ts-expect-error The input has no such field.
({ input: { ...variables.input, deviceStatus: { ...deviceStatus, imei: "" } } }) satisfies VariablesOf<typeof Add>;

// @ts-expect-error No type was generated for this document.
graphql("query Other { __typename }").kind;
