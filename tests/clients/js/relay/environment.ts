// Relay's store, its network, and where that leaves the code of an error.
import { Environment, Network, RecordSource, Store } from "relay-runtime";

/** A browser of its own: what it has read is known to no other. */
export function environment(headers: Record<string, string>): Environment {
  const network = Network.create(async ({ id, text }, variables) => {
    // The compiler left one of both: the text or, where documents are persisted, the id.
    const document = id ? { doc_id: id } : { query: text };
    const response = await fetch(process.env["URL"]!, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify({ ...document, variables }),
    });
    return response.json();
  });
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
