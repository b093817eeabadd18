// Bundles GraphiQL into dist/, which build.rs embeds: page, scripts, workers and style, with a content hash in their
// names, and the licences of the bundled packages. Files are written only in compressed form, as they are served.

import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

import { build } from 'esbuild';

const root = path.dirname(fileURLToPath(import.meta.url));
const dist = path.join(root, 'dist');

const WORKERS = {
  editor: 'monaco-editor/esm/vs/editor/editor.worker.js',
  json: 'monaco-editor/esm/vs/language/json/json.worker.js',
  graphql: 'monaco-graphql/esm/graphql.worker.js',
};

const common = {
  absWorkingDir: root,
  outdir: dist,
  bundle: true,
  minify: true,
  target: 'es2022',
  metafile: true,
  legalComments: 'none',
  logLevel: 'warning',
  write: false,
  define: { 'process.env.NODE_ENV': '"production"' },
};

const workers = await build({
  ...common,
  entryPoints: Object.entries(WORKERS).map(([out, input]) => ({ in: input, out })),
  entryNames: '[name].worker.[hash]',
  format: 'iife',
});
const named = (result, entry) => {
  const found = Object.entries(result.metafile.outputs).find(([, output]) => output.entryPoint?.endsWith(entry));
  return path.basename(found[0]);
};
const workerNames = Object.fromEntries(Object.entries(WORKERS).map(([name, entry]) => [name, named(workers, entry)]));

const page = await build({
  ...common,
  entryPoints: { app: 'entry.jsx' },
  entryNames: '[name].[hash]',
  chunkNames: '[name].[hash]',
  assetNames: '[name].[hash]',
  format: 'esm',
  splitting: true,
  jsx: 'automatic',
  loader: { '.ttf': 'file' },
  define: { ...common.define, WORKERS: JSON.stringify(workerNames) },
});
const script = named(page, 'entry.jsx');
const style = path.basename(page.metafile.outputs[`dist/${script}`].cssBundle);
const index = (await readFile(path.join(root, 'index.html'), 'utf8'))
  .replace('{{style.css}}', style)
  .replace('{{app.js}}', script);

/** The licence texts of the bundled packages. */
async function notices() {
  const folders = new Set();
  for (const result of [workers, page]) {
    for (const input of Object.keys(result.metafile.inputs)) {
      const found = input.match(/^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/);
      if (found) folders.add(found[0]);
    }
  }
  const parts = [];
  for (const folder of [...folders].sort()) {
    const manifest = JSON.parse(await readFile(path.join(root, folder, 'package.json'), 'utf8'));
    const files = (await readdir(path.join(root, folder))).filter((name) => /^(licen[cs]e|notice|copying|thirdparty)/i.test(name));
    const texts = await Promise.all(files.sort().map((name) => readFile(path.join(root, folder, name), 'utf8')));
    parts.push(`${manifest.name} ${manifest.version} (${manifest.license})\n\n${texts.join('\n\n').trim() || 'The package carries no licence file.'}\n`);
  }
  return parts.join(`\n${'-'.repeat(80)}\n\n`);
}

const compressedBy = {
  br: (bytes) => promisify(brotliCompress)(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  }),
  gz: (bytes) => promisify(gzip)(bytes, { level: 9 }),
};

await mkdir(dist, { recursive: true });
for (const name of await readdir(dist)) {
  if (name !== '.gitignore') await rm(path.join(dist, name), { recursive: true });
}
const files = [...workers.outputFiles, ...page.outputFiles].map(({ path: file, contents }) => [path.basename(file), contents]);
files.push(['index.html', Buffer.from(index)], ['licences.txt', Buffer.from(await notices())]);

const total = { plain: 0, br: 0, gz: 0 };
for (const [name, contents] of files) {
  total.plain += contents.length;
  for (const [coding, compress] of Object.entries(compressedBy)) {
    const compressed = await compress(contents);
    total[coding] += compressed.length;
    await writeFile(path.join(dist, `${name}.${coding}`), compressed);
  }
}
console.log(`${files.length} files: ${total.plain} bytes, ${total.br} with br, ${total.gz} with gzip`);
