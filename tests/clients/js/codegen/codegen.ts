// The client preset, with a type for each scalar and the manifest for `serve --trusted-documents`.
import type { CodegenConfig } from "@graphql-codegen/cli";
import { addTypenameSelectionDocumentTransform } from "@graphql-codegen/client-preset";

const config: CodegenConfig = {
  schema: "../../../schema.graphql",
  documents: "codegen/operations.ts",
  generates: {
    "codegen/generated/": {
      preset: "client",
      // Caches need `__typename` of each object. A client that sends only a hash cannot add it.
      documentTransforms: [addTypenameSelectionDocumentTransform],
      presetConfig: {
        fragmentMasking: { unmaskFunctionName: "getFragmentData" },
        // Documents keep their text, so that they can also be sent to a gateway without trusted documents.
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
