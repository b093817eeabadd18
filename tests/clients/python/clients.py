"""gql with the fetched schema: adds a status, reads it back, pages, and reads the code of an error."""

import os

from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.requests import RequestsHTTPTransport

URL = os.environ["URL"]
CONFIGURATION = "e2a23631-3631-e2a2-3136-a2e23136a2e2"

ADD = gql("""
    mutation Add($input: AddDeviceStatusInput!) {
      addDeviceStatus(input: $input) { deviceStatusId deviceStatus { id deviceDisplayName status lastReportedDateTime } }
    }
""")
ONE = gql("""
    query One($id: ID!) { node(id: $id) { id ... on DeviceStatus { deviceDisplayName status lastReportedDateTime } } }
""")
PAGE = gql("""
    query Page($id: ID!, $after: String) {
      iosLobAppProvisioningConfiguration(id: $id) {
        deviceStatuses(first: 400, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } }
      }
    }
""")
STATUS = {
    "deviceDisplayName": "by gql",
    "userName": "Zoë",
    "deviceModel": "iPad13,8",
    "platform": 8,
    "status": "COMPLIANT",
    "complianceGracePeriodExpirationDateTime": "9999-12-31T23:59:59.9999999Z",
    "lastReportedDateTime": "2016-12-31T23:57:41.6559639+03:00",
    "userPrincipalName": "zoe@example.com",
}


def client(**headers):
    # With the schema, the client itself rejects invalid documents.
    return Client(transport=RequestsHTTPTransport(url=URL, headers=headers), fetch_schema_from_transport=True)


with client(authorization="Bearer demo-token") as session:
    ADD.variable_values = {"input": {"configurationId": CONFIGURATION, "deviceStatus": STATUS}}
    added = session.execute(ADD)["addDeviceStatus"]
    assert added["deviceStatus"]["deviceDisplayName"] == "by gql", added
    assert added["deviceStatus"]["lastReportedDateTime"] == STATUS["lastReportedDateTime"], added

    ONE.variable_values = {"id": added["deviceStatusId"]}
    assert session.execute(ONE)["node"] == added["deviceStatus"]

    met, after = [], None
    while True:
        PAGE.variable_values = {"id": CONFIGURATION, "after": after}
        page = session.execute(PAGE)["iosLobAppProvisioningConfiguration"]["deviceStatuses"]
        met += [node["id"] for node in page["nodes"]]
        assert len(met) < 10_000, "the pages do not end"
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert len(met) > 1000 and len(set(met)) == len(met)
    assert met.count(added["deviceStatusId"]) == 1

with client() as session:
    try:
        session.execute(ONE)
        raise AssertionError("no error without a token")
    except TransportQueryError as error:
        assert error.errors[0]["extensions"]["code"] == "UNAUTHENTICATED", error

print("gql: ok")
