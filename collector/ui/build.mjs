// Bundles the web UI into dist/: content-hashed files, and manifest.json that the collector's build.rs reads.
// `sources` in the manifest is a fingerprint of everything the bundle is made of, so that a stale bundle is refused.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))
const dist = process.env.ROLLCALL_UI_DIST ?? join(here, 'dist')

const contentTypes = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
  txt: 'text/plain; charset=utf-8',
}

// FNV-1a, 64 bit, over name, NUL, bytes, NUL of every file in order of name. build.rs computes the same.
function fingerprint() {
  const files = ['build.mjs', 'package-lock.json', ...readdirSync(join(here, 'src')).map((name) => `src/${name}`)].sort()
  let hash = 0xcbf29ce484222325n
  const eat = (bytes) => {
    for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn
  }
  for (const file of files) {
    eat(Buffer.from(file))
    eat([0])
    eat(readFileSync(join(here, file)))
    eat([0])
  }
  return hash.toString(16).padStart(16, '0')
}

const bundled = await build({
  entryPoints: [join(here, 'src/app.ts'), join(here, 'src/graph.ts'), join(here, 'src/style.css')],
  outdir: dist,
  bundle: true,
  minify: true,
  format: 'iife',
  target: ['chrome123', 'firefox121', 'safari17.5'],
  legalComments: 'linked',
  write: false,
  logLevel: 'warning',
})

const outputs = bundled.outputFiles.map(({ path, contents }) => ({ name: path.split('/').pop(), contents: Buffer.from(contents) }))
outputs.push({ name: 'icon.svg', contents: readFileSync(join(here, 'src/icon.svg')) })

rmSync(dist, { recursive: true, force: true })
mkdirSync(dist, { recursive: true })
const assets = outputs.map(({ name, contents }) => {
  const hash = createHash('sha256').update(contents).digest('hex').slice(0, 12)
  const [stem, ...extensions] = name.split('.')
  const file = `${stem}-${hash}.${extensions.join('.')}`
  writeFileSync(join(dist, file), contents)
  const contentType = contentTypes[extensions.at(-1)]
  if (!contentType) throw new Error(`no content type for ${name}; add it to contentTypes in build.mjs`)
  return { name, file, contentType }
})
writeFileSync(join(dist, 'manifest.json'), `${JSON.stringify({ sources: fingerprint(), assets }, null, 2)}\n`)
for (const { name, contents } of outputs) console.log(`${name.padEnd(24)} ${(contents.length / 1024).toFixed(1).padStart(8)} KiB`)
