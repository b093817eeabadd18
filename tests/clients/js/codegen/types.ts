// What must not compile. TypeScript fails where one of these lines has no error.
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

// @ts-expect-error The first of a list may not be there.
page.iosLobAppProvisioningConfiguration?.deviceStatuses?.nodes[0].id;

// @ts-expect-error A fragment's fields are read through the fragment.
one.node?.deviceDisplayName;

// @ts-expect-error DateTimeOffset is text.
status.lastReportedDateTime satisfies number | null;

// @ts-expect-error A variable is missing.
({}) satisfies VariablesOf<typeof One>;

// @ts-expect-error An id is text.
({ id: 1 }) satisfies VariablesOf<typeof One>;

// @ts-expect-error A member that the enumeration lacks.
({ ...deviceStatus, status: "BROKEN" }) satisfies DeviceStatusInput;

// @ts-expect-error A date that is no text.
({ ...deviceStatus, lastReportedDateTime: new Date() }) satisfies DeviceStatusInput;

// @ts-expect-error A field that the input lacks.
({ input: { ...variables.input, deviceStatus: { ...deviceStatus, imei: "" } } }) satisfies VariablesOf<typeof Add>;

// @ts-expect-error Nothing was generated for this document, and its type is not known.
graphql("query Other { __typename }").kind;
