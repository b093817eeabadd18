// Lets Node.js run TypeScript and JSX, and Relay's `graphql` tags find what relay-compiler generated for them.
require("@babel/register")({
  babelrc: false,
  // No cache: the generated files change between the runs by text and by id.
  cache: false,
  extensions: [".ts", ".tsx"],
  plugins: ["relay", "@babel/plugin-transform-modules-commonjs"],
  presets: ["@babel/preset-typescript", ["@babel/preset-react", { runtime: "automatic" }]],
});
