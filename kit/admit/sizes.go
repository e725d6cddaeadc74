package admit

import "net/http"

// Sizes are how large a request may be; 0: as large as it likes.
type Sizes struct {
	URL    int   // bytes of the request's target, path and query
	Fields int   // header fields
	Header int   // bytes of request line and header fields
	Body   int64 // bytes of the body, as far as it says so beforehand
}

// Refuse gives the status with which the request is refused, since one part
// of it is too large: 414, 431, 413; 0 if none is.
func (s Sizes) Refuse(r *http.Request) int {
	if s.URL > 0 && len(r.RequestURI) > s.URL {
		return http.StatusRequestURITooLong
	}
	if s.Fields > 0 || s.Header > 0 {
		fields, size := header(r)
		if s.Fields > 0 && fields > s.Fields || s.Header > 0 && size > s.Header {
			return http.StatusRequestHeaderFieldsTooLarge
		}
	}
	if s.Body > 0 && r.ContentLength > s.Body {
		return http.StatusRequestEntityTooLarge
	}
	return 0
}

// header is how many fields there are, and about the size of the header on an
// HTTP/1.1 wire.
func header(r *http.Request) (fields, size int) {
	size = len(r.Method) + len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			fields++
			size += len(name) + len(v) + 4
		}
	}
	return fields, size
}
