// The part of swagger-ui that the explorer uses; the package has no types.
declare module 'swagger-ui-dist/swagger-ui-es-bundle.js' {
  interface Request {
    url: string
    headers: Record<string, string>
  }

  interface Options {
    domNode: HTMLElement
    url: string
    validatorUrl: null
    deepLinking: boolean
    docExpansion: 'list' | 'full' | 'none'
    displayRequestDuration: boolean
    requestInterceptor: (request: Request) => Request
    plugins: object[]
  }

  export default function SwaggerUI(options: Options): unknown
}
