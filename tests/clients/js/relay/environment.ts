// Relay's store and network, and how to read the code of an error.
import { createClient, type SubscribePayload } from "graphql-ws";
import { Environment, type GraphQLResponse, Network, Observable, RecordSource, type RequestParameters, Store } from "relay-runtime";
import WebSocket from "ws";

/** The compiler sets one of both: the text or, with persisted documents, the id. */
const document = ({ id, text }: RequestParameters) => (id ? { doc_id: id } : { query: text });

/** A separate browser, which shares no store with others. */
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
      // graphql-ws requires a query.
      const payload = { query: "", ...document(request), variables } as SubscribePayload;
      // The results have the form of Relay's responses.
      return socket.subscribe(payload, sink as unknown as Parameters<typeof socket.subscribe>[1]);
    });
  const network = Network.create(ask, subscribe);
  return new Environment({ network, store: new Store(new RecordSource()) });
}

/** The code of a field's error, from `@catch` or from a mutation's response. */
export function codeOf(error: unknown): string {
  return (error as { extensions: { code: string } }).extensions.code;
}

/** The code of an error that rejects the whole request, from the error that Relay creates for a response without data. */
export function codeOfRequest(error: Error): string {
  return codeOf((error as Error & { source: { errors: unknown[] } }).source.errors[0]);
}
