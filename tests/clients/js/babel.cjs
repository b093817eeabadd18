// Lets Node.js run TypeScript and JSX, and Relay's `graphql` tags find what relay-compiler generated for them.
require("@babel/register")({
  babelrc: false,
  // What is generated anew, by id in place of by text, must not be taken from the cache.
  cache: false,
  extensions: [".ts", ".tsx"],
  plugins: ["relay", "@babel/plugin-transform-modules-commonjs"],
  presets: ["@babel/preset-typescript", ["@babel/preset-react", { runtime: "automatic" }]],
});
