import { STATUS_CODES } from 'node:http'

// FieldError is one mistake in a request.
export interface FieldError {
  location: string
  message: string
}

// Problem is an error that is answered as RFC 9457 has it.
export class Problem extends Error {
  readonly status: number
  readonly errors: FieldError[]
  readonly headers: Record<string, string>

  constructor(status: number, detail: string, errors: FieldError[] = [], headers: Record<string, string> = {}) {
    super(detail)
    this.status = status
    this.errors = errors
    this.headers = headers
  }

  // body is what is sent, with the request's correlation ID.
  body(correlationId: string): string {
    const errors = this.errors.length > 0 ? { errors: this.errors } : {}
    return JSON.stringify({ title: STATUS_CODES[this.status], status: this.status, detail: this.message, ...errors, correlationId })
  }
}
