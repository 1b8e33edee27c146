// Judges documents by a JSON Schema with Ajv, which has nothing in common with what sidegate itself reads its file with.
//
// Standard input: {"schema": …, "documents": […]}. Standard output: for each document null, or what is wrong with it.

import { text } from 'node:stream/consumers';
import { Ajv2020 } from 'ajv/dist/2020.js';

const { schema, documents } = JSON.parse(await text(process.stdin));
// A schema with an unknown keyword or an impossible type is a mistake, not something to be tolerant about.
const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, validateFormats: false });
// Annotations of ours, which every other reader passes over.
for (const keyword of ['x-remarks', 'x-unit']) ajv.addKeyword(keyword);
const validate = ajv.compile(schema);
const verdicts = documents.map((document) => (validate(document) ? null : ajv.errorsText(validate.errors)));
process.stdout.write(JSON.stringify(verdicts));
