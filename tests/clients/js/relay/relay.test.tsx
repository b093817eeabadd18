// Relay's hooks in React, with the output of relay-compiler. `run` runs this twice: with documents that are sent as text,
// and with documents that are sent as ids to a gateway that accepts no others.
import "./browser";
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { cleanup, configure, fireEvent, render, waitFor, within } from "@testing-library/react";
import { type ReactNode, Suspense } from "react";
import { RelayEnvironmentProvider } from "react-relay";
import { AddDeviceStatus } from "./AddDeviceStatus";
import { ConfigurationPage } from "./ConfigurationPage";
import { hear } from "./DeviceStatusAdded";
import { environment } from "./environment";

const configuration = "e2a23631-3631-e2a2-3136-a2e23136a2e2";
const token = { authorization: "Bearer demo-token" };

// The tests wait for a state. This is how long a failing test takes.
configure({ asyncUtilTimeout: 20_000 });
afterEach(cleanup);

/** Opens a page in a separate browser. */
function open(page: ReactNode, headers: Record<string, string> = token) {
  const { container } = render(
    <RelayEnvironmentProvider environment={environment(headers)}>
      <Suspense fallback="loading">{page}</Suspense>
    </RelayEnvironmentProvider>,
  );
  const rows = () => [...container.querySelectorAll("li")];
  return {
    rows,
    ids: () => rows().map((row) => row.id),
    byRelay: () => rows().filter((row) => row.querySelector("b")!.textContent === "by Relay"),
    press: (name: string, where: HTMLElement = container) => fireEvent.click(within(where).getByText(name)),
    has: (name: string) => within(container).queryByText(name) !== null,
    alert: async () => (await within(container).findByRole("alert")).textContent,
  };
}

type Page = ReturnType<typeof open>;

/** Opens the list of the configuration's device statuses, and waits for its first page. */
async function openList(): Promise<Page> {
  const page = open(<ConfigurationPage id={configuration} />);
  await waitFor(() => assert.equal(page.rows().length, 100));
  return page;
}

/** Loads page after page to the end of the list. */
async function loadAll(page: Page) {
  while (page.has("More")) {
    const before = page.rows().length;
    page.press("More");
    await waitFor(() => assert.ok(page.rows().length > before));
  }
}

test("Relay appends what it added, pages to the end, reads again by global id, and deletes", async () => {
  const mine = await openList();
  mine.press("Add");
  await waitFor(() => assert.equal(mine.byRelay().length, 1));
  const added = mine.byRelay()[0]!;
  assert.equal(mine.ids().at(-1), added.id, "the edge was appended to the connection");
  assert.equal(added.querySelector("time")!.textContent, "2016-12-31T23:57:41.6559639+03:00");

  // Another browser finds the status in Graph's list, and changes it.
  const other = await openList();
  await loadAll(other);
  assert.ok(other.rows().length > 300);
  assert.deepEqual(other.byRelay().map((row) => row.id), [added.id]);
  other.press("Fail", other.byRelay()[0]);
  await waitFor(() => assert.equal(other.byRelay()[0]!.querySelector("i")!.textContent, "ERROR"));

  assert.equal(added.querySelector("i")!.textContent, "COMPLIANT");
  mine.press("Refresh", added);
  await waitFor(() => assert.equal(mine.byRelay()[0]!.querySelector("i")!.textContent, "ERROR"));

  // A page from Graph that contains the added object does not show it twice.
  await loadAll(mine);
  assert.deepEqual(mine.ids().toSorted(), other.ids().toSorted());
  for (const page of [mine, other]) {
    assert.equal(new Set(page.ids()).size, page.rows().length, "no object is met twice");
  }

  mine.press("Delete", mine.byRelay()[0]);
  await waitFor(() => assert.equal(mine.byRelay().length, 0));
  assert.equal(mine.rows().length, other.rows().length - 1);
});

test("Relay catches the code of a field's error", async () => {
  const stranger = open(<ConfigurationPage id={configuration} />, {});
  assert.equal(await stranger.alert(), "UNAUTHENTICATED");
});

test("Relay passes the code of a field's error to a mutation's onCompleted", async () => {
  const stranger = open(<AddDeviceStatus configurationId={configuration} connections={[]} />, {});
  stranger.press("Add");
  assert.equal(await stranger.alert(), "UNAUTHENTICATED");
});

test("Relay passes the code of an error that rejects the request to a mutation's onError", async () => {
  const page = open(<AddDeviceStatus configurationId={configuration} connections={[]} lastReportedDateTime="yesterday" />);
  page.press("Add");
  assert.equal(await page.alert(), "BAD_USER_INPUT");
});

test("Relay receives a status that another client adds", async () => {
  const told: Array<{ id: string; name: string }> = [];
  const mine = environment(token);
  const end = hear(mine, configuration, ({ deviceStatus }) => {
    told.push({ id: deviceStatus!.id, name: deviceStatus!.deviceDisplayName! });
  });
  const theirs = await openList();
  // The start of a subscription is not confirmed, so the first events may be missed.
  await waitFor(() => {
    theirs.press("Add");
    assert.notEqual(told.length, 0);
  });
  end();
  assert.equal(told[0]!.name, "by Relay");
  // The status is in Relay's store by its id.
  assert.equal(mine.getStore().getSource().get(told[0]!.id)?.["deviceDisplayName"], "by Relay");
});
