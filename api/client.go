package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/plat-dev/plat/fault"
)

// Client calls one plat. It is safe for concurrent use. Every method answers
// with a *fault.Fault: "unreachable" when plat does not answer, else what plat
// said.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// Bounds of a call; following logs has none. A change is answered when it is
// done, builds included.
const (
	requestTimeout = 30 * time.Second
	changeTimeout  = 10 * time.Minute
)

// maxAnswer bounds an answer that is read as a whole.
const maxAnswer = 64 << 20

// NewClient makes a client for the control API at base (http://host:port).
func NewClient(base, token string) *Client {
	return &Client{base: base, token: token, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: 10 * time.Second}}}
}

// System tells what runs.
func (c *Client) System(ctx context.Context) (System, error) {
	return get[System](ctx, c, "/v1/system")
}

// Services lists the services as they run.
func (c *Client) Services(ctx context.Context) ([]Service, error) {
	list, err := get[Services](ctx, c, "/v1/services")
	return list.Services, err
}

// Service tells how one service runs; no-such-service when the plan has none.
func (c *Client) Service(ctx context.Context, name string) (Service, error) {
	return get[Service](ctx, c, "/v1/services/"+url.PathEscape(name))
}

// Restart builds a service anew and replaces its instances one by one; it
// returns when that is done, or with the fault that stands in the way.
func (c *Client) Restart(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodPost, "/v1/services/"+url.PathEscape(name)+"/restart", nil, nil)
}

// Scale sets a service's number of instances until plat ends; it returns when
// so many are ready.
func (c *Client) Scale(ctx context.Context, name string, instances int) error {
	return c.call(ctx, http.MethodPost, "/v1/services/"+url.PathEscape(name)+"/scale", Scale{Instances: instances}, nil)
}

// Unscale takes back what Scale set: the plan's number holds again. It returns
// when so many are ready.
func (c *Client) Unscale(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "/v1/services/"+url.PathEscape(name)+"/scale", nil, nil)
}

// Events tells the state of streams, consumers and dead letters.
func (c *Client) Events(ctx context.Context) (Events, error) {
	return get[Events](ctx, c, "/v1/events")
}

// Map is the system as a graph: what is declared, and what was seen.
func (c *Client) Map(ctx context.Context) (Map, error) { return get[Map](ctx, c, "/v1/map") }

// Findings lists where the plan and reality differ.
func (c *Client) Findings(ctx context.Context) ([]Finding, error) {
	list, err := get[Findings](ctx, c, "/v1/findings")
	return list.Findings, err
}

// Drift lists where the plan and reality differ, with the patch that settles
// it. A declared call is a finding when its caller was in use for so long
// without it; 0 leaves that to plat.
func (c *Client) Drift(ctx context.Context, unused time.Duration) (Findings, error) {
	path := "/v1/findings"
	if unused > 0 {
		path += "?unused=" + url.QueryEscape(unused.String())
	}
	return get[Findings](ctx, c, path)
}

// Why explains a finding, or one refused call, by its ID; no-such-finding when
// plat does not know it (any more).
func (c *Client) Why(ctx context.Context, id string) (Finding, error) {
	return get[Finding](ctx, c, "/v1/findings/"+url.PathEscape(id))
}

// Describe tells all that plat knows of one service.
func (c *Client) Describe(ctx context.Context, name string) (Description, error) {
	return get[Description](ctx, c, "/v1/services/"+url.PathEscape(name)+"/description")
}

// Platform tells what plat itself costs.
func (c *Client) Platform(ctx context.Context) (Platform, error) {
	return get[Platform](ctx, c, "/v1/platform")
}

// Mails lists the development mailbox.
func (c *Client) Mails(ctx context.Context) (Mailbox, error) {
	return get[Mailbox](ctx, c, "/v1/mail")
}

// Mail reads one mail; no-such-mail when it is not there.
func (c *Client) Mail(ctx context.Context, id string) (MailContent, error) {
	return get[MailContent](ctx, c, "/v1/mail/"+url.PathEscape(id))
}

// ClearMail empties the development mailbox.
func (c *Client) ClearMail(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/v1/mail", nil, nil)
}

// Session makes an address that opens the console once.
func (c *Client) Session(ctx context.Context) (Session, error) {
	var s Session
	err := c.call(ctx, http.MethodPost, "/v1/session", nil, &s)
	return s, err
}

// Publish publishes an event in the name of its provider and returns when it
// is stored. The subject may be empty, and so may the ID: then it gets one.
func (c *Client) Publish(ctx context.Context, eventType, subject, id string, data json.RawMessage) (Publication, error) {
	if id == "" {
		id = rand.Text()
	}
	event := struct {
		SpecVersion string          `json:"specversion"`
		ID          string          `json:"id"`
		Source      string          `json:"source"`
		Type        string          `json:"type"`
		Subject     string          `json:"subject,omitempty"`
		Time        time.Time       `json:"time"`
		ContentType string          `json:"datacontenttype"`
		Data        json.RawMessage `json:"data"`
	}{"1.0", id, "/operator", eventType, subject, time.Now().UTC(), "application/json", data}
	text, err := json.Marshal(event)
	if err != nil {
		return Publication{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	resp, err := c.Raw(ctx, http.MethodPost, "/v1/events", http.Header{"Content-Type": {"application/cloudevents+json"}}, bytes.NewReader(text))
	if err != nil {
		return Publication{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return Publication{}, faultOf(resp)
	}
	var p Publication
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&p); err != nil {
		return Publication{}, c.unreachable(err)
	}
	return p, nil
}

// Raw makes any call of the control API with the token, and returns what it
// answers, whatever the status; the caller closes the body. Only an API that
// does not answer is an error.
func (c *Client) Raw(ctx context.Context, method, path string, header http.Header, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, fault.New(fault.BadArgument, "this cannot be asked of the control API").Why(err.Error()).Because(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	return resp, nil
}

// Plan is the live resolved plan, as JSON.
func (c *Client) Plan(ctx context.Context) (json.RawMessage, error) {
	return get[json.RawMessage](ctx, c, "/v1/plan")
}

// Stop asks plat to stop everything and end; it answers before that.
func (c *Client) Stop(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/v1/stop", nil, nil)
}

// Logs calls each with every line of the query until it is done, ctx ends or
// each returns an error, which it returns.
func (c *Client) Logs(ctx context.Context, q LogQuery, each func(LogLine) error) error {
	values := url.Values{"service": q.Services}
	if !q.Since.IsZero() {
		values.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if q.Tail > 0 {
		values.Set("tail", strconv.Itoa(q.Tail))
	}
	if q.Follow {
		values.Set("follow", "true")
	}
	resp, err := c.send(ctx, http.MethodGet, "/v1/logs?"+values.Encode(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line LogLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return c.unreachable(err)
		}
		if err := each(line); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil && ctx.Err() == nil {
		return c.unreachable(err)
	}
	return ctx.Err()
}

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	var out T
	err := c.call(ctx, http.MethodGet, path, nil, &out)
	return out, err
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	limit := requestTimeout
	if method == http.MethodPost {
		limit = changeTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	resp, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body := io.LimitReader(resp.Body, maxAnswer)
	if out == nil {
		_, _ = io.Copy(io.Discard, body) // so that the connection is used again
		return nil
	}
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return c.unreachable(err)
	}
	return nil
}

// send makes the request and turns every status beyond 2xx into its fault.
func (c *Client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, c.unreachable(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return nil, faultOf(resp)
}

// faultOf reads the fault out of a problem+json answer.
func faultOf(resp *http.Response) error {
	var p Problem
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&p); err != nil || p.Code == "" {
		return fault.Newf(fault.Unreachable, "the control API answered %s without a reason", resp.Status).
			Why("another program may listen at its address")
	}
	if len(p.Faults) > 0 {
		errs := make([]error, len(p.Faults))
		for i, f := range p.Faults {
			errs[i] = f
		}
		return errors.Join(errs...)
	}
	what := p.Detail
	if what == "" {
		what = p.Title
	}
	return fault.New(p.Code, what).Fix(p.Remedy)
}

func (c *Client) unreachable(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return fault.New(fault.Unreachable, "plat does not answer at "+c.base).Why(fmt.Sprint(err)).
		Fix("plat up starts it; .plat/plat.log tells how the last one ended").Because(err)
}
