// Names that end in `.test` are this machine, as they are for the people in the tests: imported for that alone.

import dns from 'node:dns';

const lookup = dns.lookup;

dns.lookup = (name, ...rest) => lookup(name.endsWith('.test') ? '127.0.0.1' : name, ...rest);
