import { STATUS_CODES } from 'node:http';
// Problem is an error that is answered as RFC 9457 has it.
export class Problem extends Error {
    status;
    errors;
    headers;
    constructor(status, detail, errors = [], headers = {}) {
        super(detail);
        this.status = status;
        this.errors = errors;
        this.headers = headers;
    }
    // body is what is sent, with the request's correlation ID.
    body(correlationId) {
        const errors = this.errors.length > 0 ? { errors: this.errors } : {};
        return JSON.stringify({ title: STATUS_CODES[this.status], status: this.status, detail: this.message, ...errors, correlationId });
    }
}
