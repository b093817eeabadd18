// Relay's store, its network, and where that leaves the code of an error.
import { createClient, type SubscribePayload } from "graphql-ws";
import { Environment, type GraphQLResponse, Network, Observable, RecordSource, type RequestParameters, Store } from "relay-runtime";
import WebSocket from "ws";

/** The compiler left one of both: the text or, where documents are persisted, the id. */
const document = ({ id, text }: RequestParameters) => (id ? { doc_id: id } : { query: text });

/** A browser of its own: what it has read is known to no other. */
export function environment(headers: Record<string, string>): Environment {
  const url = process.env["URL"]!;
  const ask = async (request: RequestParameters, variables: object) => {
    const response = await fetch(url, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify({ ...document(request), variables }),
    });
    return response.json();
  };
  const socket = createClient({ url: url.replace(/^http/, "ws"), webSocketImpl: WebSocket, connectionParams: headers });
  const subscribe = (request: RequestParameters, variables: object) =>
    Observable.create<GraphQLResponse>((sink) => {
      // graphql-ws sends nothing without a query.
      const payload = { query: "", ...document(request), variables } as SubscribePayload;
      // It gives Relay's own kind of answer.
      return socket.subscribe(payload, sink as unknown as Parameters<typeof socket.subscribe>[1]);
    });
  const network = Network.create(ask, subscribe);
  return new Environment({ network, store: new Store(new RecordSource()) });
}

/** The code of a field's error: of what `@catch` caught, or of what came with a mutation's answer. */
export function codeOf(error: unknown): string {
  return (error as { extensions: { code: string } }).extensions.code;
}

/** The code of what refused a request as a whole, in the error that Relay makes of an answer without data. */
export function codeOfRequest(error: Error): string {
  return codeOf((error as Error & { source: { errors: unknown[] } }).source.errors[0]);
}
