package serve

import (
	"net/http"
	"strings"
)

// sandbox keeps what a service answers from acting as the console, whose
// origin it shares here.
const sandbox = "sandbox; default-src 'none'"

// caller passes a request on to a service, as plat itself: for plat call and
// for the console's API explorer. Neither plat's token nor its cookies go
// along; a Plat-Authorization header becomes the service's Authorization.
func caller(call func(service string) (http.Handler, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service := r.PathValue("name")
		h, err := call(service)
		if err != nil {
			p := problemOf(statusOf(codeOf(err)), err)
			writeProblem(w, p.Status, err)
			return
		}
		prefix := "/v1/services/" + service + "/http"
		out := r.Clone(r.Context())
		out.URL.Path = strings.TrimPrefix(r.URL.Path, prefix)
		out.URL.RawPath = strings.TrimPrefix(r.URL.RawPath, prefix)
		out.RequestURI = out.URL.RequestURI()
		out.Host = service + ".internal"
		for name := range out.Header {
			if name == "Cookie" || name == "Origin" || name == "Referer" || strings.HasPrefix(name, "Sec-") {
				out.Header.Del(name)
			}
		}
		if auth := r.Header.Values("Plat-Authorization"); len(auth) > 0 {
			out.Header["Authorization"] = auth
			out.Header.Del("Plat-Authorization")
		}
		h.ServeHTTP(&sandboxed{ResponseWriter: w}, out)
	})
}

// sandboxed puts the sandbox on an answer, and takes cookies off.
type sandboxed struct {
	http.ResponseWriter
	begun bool
}

// WriteHeader makes the answer harmless before it begins.
func (s *sandboxed) WriteHeader(status int) {
	if status >= 200 && !s.begun {
		s.begun = true
		h := s.Header()
		h.Del("Set-Cookie")
		h.Set("Content-Security-Policy", sandbox)
		h.Set("X-Content-Type-Options", "nosniff")
	}
	s.ResponseWriter.WriteHeader(status)
}

// Write begins the answer where the handler did not.
func (s *sandboxed) Write(p []byte) (int, error) {
	if !s.begun {
		s.WriteHeader(http.StatusOK)
	}
	return s.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *sandboxed) Unwrap() http.ResponseWriter { return s.ResponseWriter }
