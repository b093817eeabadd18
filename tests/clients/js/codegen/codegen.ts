// The client preset, with each scalar's type said and the manifest for `serve --trusted-documents`.
import type { CodegenConfig } from "@graphql-codegen/cli";
import { addTypenameSelectionDocumentTransform } from "@graphql-codegen/client-preset";

const config: CodegenConfig = {
  schema: "../../../schema.graphql",
  documents: "codegen/operations.ts",
  generates: {
    "codegen/generated/": {
      preset: "client",
      // A cache asks for the type of each object. A client cannot add that to a document of which it sends the hash.
      documentTransforms: [addTypenameSelectionDocumentTransform],
      presetConfig: {
        fragmentMasking: { unmaskFunctionName: "getFragmentData" },
        // Documents keep their text, so that they also go to a gateway that trusts none.
        persistedDocuments: { mode: "embedHashInDocument", hashAlgorithm: "sha256" },
      },
      config: {
        // A scalar that is not listed fails the generation instead of becoming `any`.
        strictScalars: true,
        scalars: { DateTimeOffset: "string", ID: "string" },
      },
    },
  },
};

export default config;
