package serve

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/kit/direct"
)

// statusOf is the HTTP status of the faults that the control API answers
// with; every other is a 500.
func statusOf(code fault.Code) int {
	switch code {
	case fault.NoSuchService, fault.RunUnknownService, fault.NotFound, fault.NoSuchFinding, fault.NoSuchMail, fault.NoSuchAlert, fault.NoSuchSilence, fault.TelemetryNotFound, fault.ChaosUnknown, fault.GatewayNoRoute, fault.GatewayNoCache:
		return http.StatusNotFound
	case fault.BadArgument, fault.ChaosBadExperiment, fault.SilenceRefused, fault.RunScaleRefused, fault.NotRunByPlat, fault.TelemetryBadQuery, fault.GatewayBadURL:
		return http.StatusUnprocessableEntity
	case fault.Unauthorized:
		return http.StatusUnauthorized
	case fault.OriginRefused:
		return http.StatusForbidden
	case fault.ChaosRunning, fault.ChaosNotRunning, fault.ChaosNotSteady:
		return http.StatusConflict
	case fault.APIBusy:
		return http.StatusServiceUnavailable
	}
	if strings.HasPrefix(string(code), "run-") { // of a service that does not build, start or stay
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}

// problemError is a problem that huma writes as it stands.
type problemError struct{ api.Problem }

func (p *problemError) Error() string             { return p.Detail }
func (p *problemError) GetStatus() int            { return p.Status }
func (p *problemError) ContentType(string) string { return "application/problem+json" }

func problemOf(status int, err error) *problemError {
	faults := fault.All(err)
	f := faults[0]
	entry, _ := fault.Lookup(f.Code)
	remedy := f.Remedy
	if remedy == "" {
		remedy = entry.Remedy
	}
	p := &problemError{api.Problem{
		Type: "urn:plat:fault:" + string(f.Code), Title: entry.Title, Status: status,
		Detail: strings.TrimSuffix(f.Error(), " ["+string(f.Code)+"]"), Code: f.Code, Remedy: remedy, CorrelationID: rand.Text(),
	}}
	if len(faults) > 1 {
		p.Faults = faults
	}
	return p
}

// problem turns an error into what huma answers; nil stays nil.
func problem(err error) error {
	if err == nil {
		return nil
	}
	return problemOf(statusOf(codeOf(err)), err)
}

// invalid gives the errors that huma finds itself (a body that is no JSON, a
// number out of bounds) plat's form.
func invalid(status int, message string, errs ...error) huma.StatusError {
	f := fault.New(fault.BadArgument, message)
	var details []string
	for _, err := range errs {
		if err != nil {
			details = append(details, err.Error())
		}
	}
	f.Expected = strings.Join(details, "; ")
	return problemOf(status, f)
}

// Problem answers with an error as RFC 9457 has it.
func Problem(w http.ResponseWriter, status int, err error) { writeProblem(w, status, err) }

func writeProblem(w http.ResponseWriter, status int, err error) {
	p := problemOf(status, err)
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Correlation-ID", p.CorrelationID)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(p.Problem) // the caller went away: nobody to tell
}

type serviceKey struct{}

func serviceOf(ctx context.Context) string {
	name, _ := ctx.Value(serviceKey{}).(string)
	return name
}

// guard lets in who comes by the API's own address with its token, or with
// the cookie of the console. A service's token opens its own facts alone. The
// console itself holds no data, so that whoever comes may load it.
func guard(o Options, s *sessions, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if err := origin(r); err != nil {
			writeProblem(w, http.StatusForbidden, err)
			return
		}
		if !holdsData(r.URL.Path) {
			s.enter(o.Wires.Console).ServeHTTP(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		if !boundsItself(r.URL.Path) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		}
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			if s.knows(r) {
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("WWW-Authenticate", `Bearer realm="plat"`)
			writeProblem(w, http.StatusUnauthorized, fault.New(fault.Unauthorized, "the request has no bearer token").Fix("plat console prints an address with a key for a browser; a program sends Authorization: Bearer with the content of .plat/token"))
			return
		}
		if subtle.ConstantTimeCompare([]byte(token), []byte(o.Token)) == 1 {
			r.Header.Del("Authorization") // it is plat's, and no service's
			next.ServeHTTP(w, r)
			return
		}
		service := o.ServiceToken(token)
		switch {
		case service == "" && reads(o, token):
			if !readable(r) {
				writeProblem(w, http.StatusForbidden, fault.New(fault.Unauthorized, "the reading token opens "+prometheusPath+" and "+jaegerPath+" alone"))
				return
			}
			r.Header.Del("Authorization")
			next.ServeHTTP(w, r)
		case service == "":
			w.Header().Set("WWW-Authenticate", `Bearer realm="plat", error="invalid_token"`)
			writeProblem(w, http.StatusUnauthorized, fault.New(fault.Unauthorized, "the bearer token is not this plat's"))
		case r.URL.Path != "/v1/self" && r.URL.Path != direct.Path:
			writeProblem(w, http.StatusForbidden, fault.New(fault.Unauthorized, "the token of service "+service+" opens /v1/self and "+direct.Path+" alone"))
		default:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), serviceKey{}, service)))
		}
	})
}

// reads tells whether it is the reading token.
func reads(o Options, token string) bool {
	if o.ReadingToken == nil {
		return false
	}
	own := o.ReadingToken()
	return own != "" && subtle.ConstantTimeCompare([]byte(token), []byte(own)) == 1
}

// readable tells whether a request can only read: below these two nothing can
// be written, and a path that leads out of them is not one of theirs.
func readable(r *http.Request) bool {
	at := r.URL.Path
	return (r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodPost) &&
		(strings.HasPrefix(at, prometheusPath) || strings.HasPrefix(at, jaegerPath)) && strings.TrimSuffix(at, "/") == path.Clean(at)
}

// holdsData tells whether what is at a path is for those alone who have a token.
func holdsData(path string) bool {
	return strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, prometheusPath) || strings.HasPrefix(path, jaegerPath)
}

// boundsItself tells whether who answers at this path has a bound of its own
// for bodies: calls of services, and events.
func boundsItself(path string) bool {
	rest, ok := strings.CutPrefix(path, "/v1/services/")
	_, rest, _ = strings.Cut(rest, "/")
	return ok && strings.HasPrefix(rest, "http/") || path == "/v1/events"
}

// origin refuses a request that a web page of another origin, or a rebound
// DNS name, may have made: the Host must be a loopback name, and the Origin,
// where there is one, the same host and port.
func origin(r *http.Request) error {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if ip := net.ParseIP(host); !strings.EqualFold(host, "localhost") && (ip == nil || !ip.IsLoopback()) {
		return fault.Newf(fault.OriginRefused, "the control API does not answer to the host %q", r.Host)
	}
	if o := r.Header.Get("Origin"); o != "" {
		u, err := url.Parse(o)
		if err != nil || u.Host != r.Host {
			return errors.Join(fault.Newf(fault.OriginRefused, "the control API does not answer pages of %q", o), err)
		}
	}
	return nil
}

// codeOf is the code of an error's first fault.
func codeOf(err error) fault.Code { return fault.All(err)[0].Code }
