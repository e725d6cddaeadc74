package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
	"github.com/plat-dev/plat/redact"
)

// Options tell how a journey runs.
type Options struct {
	// Gateway is the base address of the gateway: http or https, a host, no path.
	Gateway string
	// Transport sends the requests; nil: [http.DefaultTransport].
	Transport http.RoundTripper
	// Mark makes the mark of a test customer for one run; nil: requests carry
	// none, and are those of any customer.
	Mark func(journey, run string, expires time.Time) string
	// Fresh asks caches for answers that the origin gives now, in each request
	// that says nothing of caches itself; what they may give when it fails stays.
	Fresh bool
	// Scheduled is said in the result.
	Scheduled bool
}

// Bounds of a run.
const (
	maxBody      = 1 << 20
	maxRedirects = 10
	firstPause   = 100 * time.Millisecond
	longestPause = time.Second
	markSlack    = 30 * time.Second // after the run's time-out, for what it set going
)

// Header is the header field that carries the mark of a test customer.
const Header = "Plat-Test"

// Run lets one test customer go the journey's way, step by step until one
// fails. It returns when that is done, the journey's time is over or ctx ends,
// and reads at most 1 MiB of an answer. Of a failure the result has the reason
// and the evidence.
func Run(ctx context.Context, j plan.Journey, o Options) Result {
	r := Result{Journey: j.Name, Owner: j.Owner, Run: strings.ToLower(rand.Text()[:16]), Scheduled: o.Scheduled, Start: time.Now()}
	ctx, cancel := context.WithTimeout(ctx, j.Timeout.Std())
	defer cancel()
	c, err := newCustomer(j, &r, o)
	for _, s := range j.Steps {
		step := StepResult{Name: s.Name}
		switch {
		case err != nil: // there is no way in
			step.Failure, err = failure(fault.ProbeNoAnswer, err.Error()), nil
		case r.Failed() == nil:
			step = c.step(ctx, s)
		}
		r.Steps = append(r.Steps, step)
	}
	r.Duration = time.Since(r.Start)
	r.Passed = r.Failed() == nil
	if c != nil && c.mark != "" {
		r.TraceID, r.SpanID = c.trace, c.span
	}
	return r
}

// customer is who goes the journey's way.
type customer struct {
	base   *url.URL
	client *http.Client
	jar    http.CookieJar
	run    string
	trace  string
	span   string
	mark   string
	limit  time.Duration
	fresh  bool
	known  values
	evidence
}

func newCustomer(j plan.Journey, r *Result, o Options) (*customer, error) {
	base, err := url.Parse(o.Gateway)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || strings.Trim(base.Path, "/") != "" {
		return nil, fmt.Errorf("%q is no address of a gateway, expected one such as http://127.0.0.1:8000", o.Gateway)
	}
	base.Path = ""
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	transport := o.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	var id [24]byte
	_, _ = rand.Read(id[:]) // never fails
	c := &customer{
		base: base, jar: jar, run: r.Run, trace: hex.EncodeToString(id[:16]), span: hex.EncodeToString(id[16:]), limit: j.Timeout.Std(), fresh: o.Fresh,
		client: &http.Client{Transport: transport, Jar: jar}, known: values{plan.RunName: r.Run}, evidence: evidence{redact.New(nil, nil)},
	}
	if o.Mark != nil {
		c.mark = o.Mark(j.Name, r.Run, r.Start.Add(c.limit+markSlack))
	}
	return c, nil
}

// step makes the request, again and again where the step says so.
func (c *customer) step(ctx context.Context, s plan.Step) StepResult {
	out := StepResult{Name: s.Name}
	began, pause := time.Now(), firstPause
	if s.Within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.Within.Std())
		defer cancel()
	}
	for {
		c.attempt(ctx, s, &out)
		out.Duration = time.Since(began)
		if out.Failure == nil || s.Within == 0 {
			return out
		}
		select {
		case <-ctx.Done():
			out.Duration = time.Since(began)
			out.Failure.What += fmt.Sprintf(", after %s in %s", times(out.Requests), out.Duration.Round(time.Millisecond))
			return out
		case <-time.After(pause):
			pause = min(pause*3/2, longestPause)
		}
	}
}

func times(n int) string {
	if n == 1 {
		return "1 request"
	}
	return fmt.Sprintf("%d requests", n)
}

// attempt makes the request once. One that is cut off because the step's time
// is over leaves what the attempt before it found.
func (c *customer) attempt(ctx context.Context, s plan.Step, out *StepResult) {
	req, err := c.request(ctx, s)
	if err != nil {
		out.Failure = failure(fault.ProbeNoAnswer, err.Error())
		return
	}
	began := time.Now()
	a, err := c.send(req, s)
	if err != nil && ctx.Err() != nil && out.Requests > 0 {
		return
	}
	out.Requests++
	out.Request = req.Method + " " + req.URL.RequestURI()
	out.Last = time.Since(began)
	if err != nil {
		out.Status, out.CorrelationID, out.ContentType = 0, "", ""
		out.Failure = failure(codeOf(err), c.reason(ctx, err))
		return
	}
	a.duration = out.Last
	out.Status, out.CorrelationID, out.ContentType = a.status, a.header.Get("X-Correlation-ID"), a.header.Get("Content-Type")
	captured, wrong := c.judge(s, a)
	if len(wrong) > 0 {
		out.Failure = failure(fault.ProbeFailed, wrong[0])
		out.Failure.Count = len(wrong)
		if n := len(wrong) - 1; n > 0 {
			out.Failure.What += fmt.Sprintf(" (and %d more)", n)
		}
		out.Failure.Body = c.excerpt(a.body)
		return
	}
	out.Failure = nil
	for name, v := range captured {
		c.known[name] = v
	}
}

func failure(code fault.Code, what string) *Failure {
	return &Failure{Code: code, What: what, Count: 1}
}

// request makes the step's request.
func (c *customer) request(ctx context.Context, s plan.Step) (*http.Request, error) {
	path := c.known.path(s.Path)
	ref, err := url.Parse(path)
	if err != nil || !strings.HasPrefix(path, "/") && ref.Host == "" {
		return nil, fmt.Errorf("%q is no path", bounded(path, maxShown))
	}
	target := c.base.ResolveReference(ref)
	if !c.within(target) {
		return nil, fmt.Errorf("%s leads out of the gateway", bounded(path, maxShown))
	}
	var (
		body io.Reader
		kind string
	)
	switch {
	case s.JSON != nil:
		text, err := json.Marshal(c.known.json(s.JSON.V))
		if err != nil {
			return nil, err
		}
		body, kind = bytes.NewReader(text), "application/json"
	case s.Form != nil:
		form := url.Values{}
		for name, value := range s.Form {
			form.Set(name, c.known.expand(value))
		}
		body, kind = strings.NewReader(form.Encode()), "application/x-www-form-urlencoded"
	}
	req, err := http.NewRequestWithContext(ctx, s.Method, target.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "plat-probe")
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for name, value := range s.Headers {
		value = c.known.expand(value)
		if http.CanonicalHeaderKey(name) == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	if c.fresh && req.Header.Get("Cache-Control") == "" {
		req.Header.Set("Cache-Control", "no-cache")
	}
	req.Header.Set("Traceparent", "00-"+c.trace+"-"+c.span+"-01")
	req.Header.Set("X-Correlation-ID", c.run)
	if c.mark != "" {
		req.Header.Set(Header, c.mark)
	}
	return req, nil
}

// within tells whether an address is the gateway's.
func (c *customer) within(u *url.URL) bool {
	return u.Scheme == c.base.Scheme && strings.EqualFold(u.Host, c.base.Host) && u.User == nil
}

// answer is what came back.
type answer struct {
	status   int
	header   http.Header
	body     []byte
	cut      bool // it has more than maxBody
	duration time.Duration
}

// refusedRedirect is a redirect that is not followed.
type refusedRedirect struct{ why string }

func (e *refusedRedirect) Error() string { return e.why }

// send makes the request and follows redirects within the gateway.
func (c *customer) send(req *http.Request, s plan.Step) (answer, error) {
	client := *c.client
	client.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		switch {
		case s.Status/100 == 3:
			return http.ErrUseLastResponse
		case len(via) > maxRedirects:
			return &refusedRedirect{fmt.Sprintf("more than %d redirects, the last to %s", maxRedirects, bounded(next.URL.RequestURI(), maxShown))}
		case !c.within(next.URL):
			return &refusedRedirect{"the redirect to " + bounded(next.URL.Redacted(), maxShown) + " leads out of the gateway"}
		}
		return nil
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	a := answer{status: resp.StatusCode, header: resp.Header}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return a, err
	}
	if len(a.body) > maxBody {
		a.body, a.cut = a.body[:maxBody], true
	}
	return a, nil
}

func codeOf(err error) fault.Code {
	if _, ok := errors.AsType[*refusedRedirect](err); ok {
		return fault.ProbeFailed
	}
	return fault.ProbeNoAnswer
}

// reason is why there is no answer, for people.
func (c *customer) reason(ctx context.Context, err error) string {
	if refused, ok := errors.AsType[*refusedRedirect](err); ok {
		return refused.why
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "no answer in time: the journey has " + c.limit.String() + " for all its steps"
	case ctx.Err() != nil:
		return "the run was broken off"
	}
	return "no answer: " + err.Error()
}
