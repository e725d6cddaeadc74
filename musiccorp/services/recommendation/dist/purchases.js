// What was bought together, in memory, and the file that it comes from.
import { open } from 'node:fs/promises';
import { syncFolder } from './folder.js';
const mostOrders = 100_000; // are remembered, the newest: 2 years of a busy shop
const chunk = 1 << 16; // bytes that are read at once
// Purchases is the store: a file of JSON lines to which orders are appended.
//
// INVARIANT: a purchase is on disk before add has returned. A line that was
// not written to its end, when the machine died, was never answered for; each
// line begins with a line break, so that it spoils no other.
//
// Another instance may append to the same file. So what is known is what was
// read from it, whoever wrote it, and an order that was written twice counts
// once.
export class Purchases {
    #file;
    #log;
    #events = new Map(); // SKUs by event, the oldest first
    #together = new Map(); // orders by SKU and SKU
    #offset = 0; // up to where the file was read, after a line break
    #queue = Promise.resolve(); // of what reads and writes the file
    #spoilt = 0; // lines that are none
    constructor(file, log) {
        this.#file = file;
        this.#log = log;
    }
    // open reads the file, which is made if there is none.
    static async open(path, log) {
        const purchases = new Purchases(await open(path, 'a+', 0o600), log);
        await syncFolder(path); // its name, too, is there after a crash
        await purchases.#read();
        return purchases;
    }
    // size is how many orders are known.
    get size() {
        return this.#events.size;
    }
    // add writes a purchase, unless its event is known. It tells whether it was
    // not.
    add(purchase) {
        return this.#next(async () => {
            await this.#read();
            const known = this.#events.has(purchase.event);
            if (!known)
                await this.#file.appendFile(`\n${JSON.stringify(purchase)}\n`);
            await this.#file.datasync(); // of a known one, too: whoever wrote it may not have come so far
            await this.#read();
            return !known;
        });
    }
    // together lists what was bought with an album, the most frequent first; of
    // the same frequency by SKU.
    async together(sku, limit) {
        await this.#next(() => this.#read());
        return [...(this.#together.get(sku) ?? [])]
            .map(([sku, orders]) => ({ sku, orders }))
            .sort((a, b) => b.orders - a.orders || (a.sku < b.sku ? -1 : 1))
            .slice(0, limit);
    }
    // close ends it, after what is under way.
    close() {
        return this.#next(() => this.#file.close());
    }
    // #next runs one thing after another; one that fails does not stop those
    // after it.
    #next(run) {
        const result = this.#queue.then(run);
        this.#queue = result.catch(() => undefined);
        return result;
    }
    // #read learns what was appended since the last time, up to the last line
    // break.
    async #read() {
        const { size } = await this.#file.stat();
        let rest = Buffer.alloc(0);
        for (let at = this.#offset; at < size;) {
            const { bytesRead, buffer } = await this.#file.read(Buffer.alloc(chunk), 0, chunk, at);
            if (bytesRead === 0)
                break;
            at += bytesRead;
            rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
            const end = rest.lastIndexOf(0x0a) + 1;
            for (const line of rest.toString('utf8', 0, end).split('\n')) {
                if (line !== '')
                    this.#learn(line);
            }
            this.#offset += end;
            rest = rest.subarray(end);
        }
    }
    #learn(line) {
        const purchase = parse(line);
        if (!purchase) {
            this.#spoilt++;
            this.#log.warn('a line of the store is not whole and left out', { spoilt: this.#spoilt });
            return;
        }
        if (this.#events.has(purchase.event))
            return;
        this.#events.set(purchase.event, purchase.skus);
        this.#count(purchase.skus, 1);
        if (this.#events.size > mostOrders) {
            const [oldest, skus] = this.#events.entries().next().value; // there is one
            this.#events.delete(oldest);
            this.#count(skus, -1);
        }
    }
    #count(skus, orders) {
        for (const one of skus) {
            const others = this.#together.get(one) ?? new Map();
            for (const other of skus) {
                if (other === one)
                    continue;
                const sum = (others.get(other) ?? 0) + orders;
                if (sum > 0)
                    others.set(other, sum);
                else
                    others.delete(other);
            }
            if (others.size > 0)
                this.#together.set(one, others);
            else
                this.#together.delete(one);
        }
    }
}
// parse reads a line as add wrote it.
function parse(line) {
    let value;
    try {
        value = JSON.parse(line);
    }
    catch {
        return undefined;
    }
    if (typeof value !== 'object' || value === null || !('event' in value) || !('skus' in value))
        return undefined;
    const { event, skus } = value;
    if (typeof event !== 'string' || !Array.isArray(skus) || !skus.every(sku => typeof sku === 'string'))
        return undefined;
    return { event, skus };
}
