import { Problem } from './problem.js';
const mostLines = 1000;
export const skuPattern = /^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/;
export const skuLength = 20;
// purchaseOf is what the event tells. What makes no sense is a Problem, which
// makes plat try again and then keep the event as a dead letter with it.
export function purchaseOf(headers, body) {
    const attribute = (name) => {
        const value = headers[`ce-${name}`];
        if (typeof value !== 'string' || value === '')
            throw new Problem(400, `the event has no ce-${name}`);
        return value;
    };
    if (attribute('specversion') !== '1.0')
        throw new Problem(400, 'ce-specversion is not 1.0');
    if (attribute('type') !== 'order.placed')
        throw new Problem(400, 'ce-type is not order.placed');
    const event = `${attribute('source')}#${attribute('id')}`;
    let data;
    try {
        data = JSON.parse(body.toString('utf8'));
    }
    catch {
        throw new Problem(400, 'the data are not JSON');
    }
    const lines = typeof data === 'object' && data !== null && 'lines' in data ? data.lines : undefined;
    if (!Array.isArray(lines) || lines.length === 0 || lines.length > mostLines) {
        throw new Problem(422, `the order has no lines, or more than ${mostLines}`);
    }
    const skus = new Set();
    lines.forEach((line, i) => {
        const sku = typeof line === 'object' && line !== null && 'sku' in line ? line.sku : undefined;
        if (typeof sku !== 'string' || sku.length > skuLength || !skuPattern.test(sku)) {
            throw new Problem(422, 'the order has a line without a SKU', [{ location: `body.lines[${i}].sku`, message: 'is no SKU' }]);
        }
        skus.add(sku);
    });
    return { event, skus: [...skus] };
}
