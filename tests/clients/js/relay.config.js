// PERSIST is a file: documents then go by their ids, and the file maps these to the texts.
const { PERSIST } = process.env;

module.exports = {
  src: "./relay",
  schema: "../../../schema.graphql",
  language: "typescript",
  customScalarTypes: { DateTimeOffset: "string" },
  persistConfig: PERSIST ? { file: PERSIST, algorithm: "SHA256" } : undefined,
};
