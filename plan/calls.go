package plan

import "time"

// CallsFile is the standard of calls between services.
type CallsFile struct {
	Connect    *Duration   `json:"connect,omitempty" plan:"positive" jsonschema:"default=1s" jsonschema_description:"Time allowed for a connection."`
	Header     *Duration   `json:"header,omitempty" plan:"positive" jsonschema_description:"Time allowed for one try's answer to begin; absent: what is left of timeout."`
	Total      *Duration   `json:"total,omitempty" plan:"positive" jsonschema:"default=1m" jsonschema_description:"Time allowed until the answer's end. Streams have none."`
	Retries    *int        `json:"retries,omitempty" jsonschema:"minimum=0,maximum=10,default=2" jsonschema_description:"Tries after the first, of what is idempotent and has no body, within a budget of a fifth of the calls."`
	Concurrent *int        `json:"concurrent,omitempty" jsonschema:"minimum=1,maximum=10000,default=100" jsonschema_description:"Calls at once: the bulkhead."`
	Wait       *Duration   `json:"wait,omitempty" plan:"positive" jsonschema:"default=50ms" jsonschema_description:"How long a call waits for its turn when as many as may be are under way."`
	Adaptive   *bool       `json:"adaptive,omitempty" jsonschema:"default=true" jsonschema_description:"Whether fewer calls at once are let through while they take longer than usual."`
	Breaker    BreakerFile `json:"breaker,omitempty" jsonschema_description:"When calls are refused at once, since most of them fail."`
}

// BreakerFile declares a circuit breaker.
type BreakerFile struct {
	Enabled  *bool     `json:"enabled,omitempty" jsonschema:"default=true" jsonschema_description:"false: none."`
	Failures *Percent  `json:"failures,omitempty" jsonschema:"default=50%" jsonschema_description:"Share of failed calls at which it opens."`
	Calls    *int      `json:"calls,omitempty" jsonschema:"minimum=1,maximum=100000,default=20" jsonschema_description:"Calls within the window below which it stays closed."`
	Within   *Duration `json:"within,omitempty" plan:"positive" jsonschema:"default=10s" jsonschema_description:"The window: how far back it looks."`
	Open     *Duration `json:"open,omitempty" plan:"positive" jsonschema:"default=5s" jsonschema_description:"How long it stays open before a few calls try again."`
}

// EjectionFile declares when one instance gets no requests for a while.
type EjectionFile struct {
	Enabled     *bool     `json:"enabled,omitempty" jsonschema:"default=true" jsonschema_description:"false: never."`
	Consecutive *int      `json:"consecutive,omitempty" jsonschema:"minimum=1,maximum=100000,default=5" jsonschema_description:"Failures in a row at which it is out."`
	Failures    *Percent  `json:"failures,omitempty" jsonschema:"default=50%" jsonschema_description:"Share of failed requests within 30s at which it is out, too."`
	Calls       *int      `json:"calls,omitempty" jsonschema:"minimum=1,maximum=100000,default=20" jsonschema_description:"Requests of an instance within 30s before that share counts."`
	Out         *Duration `json:"out,omitempty" plan:"positive" jsonschema:"default=10s" jsonschema_description:"How long it is out the first time; each further time twice as long."`
	Longest     *Duration `json:"longest,omitempty" plan:"positive" jsonschema:"default=5m" jsonschema_description:"How long it is out at most."`
	Most        *Percent  `json:"most,omitempty" jsonschema:"default=50%" jsonschema_description:"Share of the instances that may be out at once; the last one never is."`
}

// DefaultFile declares the answer that stands in for one that failed.
type DefaultFile struct {
	Status *int   `json:"status,omitempty" jsonschema:"minimum=200,maximum=599,default=200" jsonschema_description:"HTTP status."`
	Type   string `json:"type,omitempty" jsonschema:"default=application/json" jsonschema_description:"Media type of the body."`
	Body   string `json:"body,omitempty" jsonschema_description:"The body as it is sent; absent: none."`
}

// LastGoodFile declares which answers stand in for one that failed.
type LastGoodFile struct {
	Keep    *Duration `json:"keep,omitempty" plan:"positive" jsonschema:"default=1h" jsonschema_description:"How old the answer may be."`
	Private *bool     `json:"private,omitempty" jsonschema:"default=false" jsonschema_description:"Keep answers to requests with Authorization or Cookie, and those marked private, too: each for its own sender."`
}

// QueueFile declares how calls that failed are kept, to be made later.
type QueueFile struct {
	Keep        *Duration `json:"keep,omitempty" plan:"positive" jsonschema:"default=1d" jsonschema_description:"How long a call is tried before it becomes a dead letter."`
	Fresh       *Duration `json:"fresh,omitempty" plan:"positive" jsonschema:"default=5m" jsonschema_description:"How long a call may wait before an alert says so."`
	Calls       *int      `json:"calls,omitempty" jsonschema:"minimum=1,maximum=100000,default=1000" jsonschema_description:"Calls that are kept at once, dead letters among them; beyond that a call fails."`
	Size        *Size     `json:"size,omitempty" jsonschema:"default=64MiB" jsonschema_description:"Bytes that they may hold together."`
	Body        *Size     `json:"body,omitempty" jsonschema:"default=256KiB" jsonschema_description:"The largest body that is kept, at most 512KiB."`
	Credentials string    `json:"credentials,omitempty" jsonschema:"enum=refuse,enum=drop,enum=keep,default=refuse" jsonschema_description:"What becomes of a call with Authorization, Cookie or the like: it fails (refuse), is made later without them where it was not made at all (drop), or with them, which lie on the disk until then (keep)."`
}

// CallPolicy is how the calls of one dependency are protected.
type CallPolicy struct {
	Connect    Duration `json:"connect"`
	Header     Duration `json:"header,omitempty"` // of one try; 0: what is left
	Total      Duration `json:"total"`
	Retries    int      `json:"retries"`
	Concurrent int      `json:"concurrent"`
	Wait       Duration `json:"wait"`
	Adaptive   bool     `json:"adaptive"`
	Breaker    *Breaker `json:"breaker,omitempty"` // nil: none
}

// Breaker is when calls are refused at once.
type Breaker struct {
	Failures Percent  `json:"failures"`
	Calls    int      `json:"calls"`
	Within   Duration `json:"within"`
	Open     Duration `json:"open"`
}

// Ejection is when one instance gets no requests for a while.
type Ejection struct {
	Consecutive int      `json:"consecutive"`
	Failures    Percent  `json:"failures"`
	Calls       int      `json:"calls"`
	Out         Duration `json:"out"`
	Longest     Duration `json:"longest"`
	Most        Percent  `json:"most"`
}

// ejection resolves what the standard, the service and the environment say;
// nil: no instance is ejected.
func ejection(a, b, c EjectionFile) *Ejection {
	if !pick(true, a.Enabled, b.Enabled, c.Enabled) {
		return nil
	}
	out := pick(Duration(10*time.Second), a.Out, b.Out, c.Out)
	return &Ejection{
		Consecutive: pick(5, a.Consecutive, b.Consecutive, c.Consecutive), Failures: pick(50, a.Failures, b.Failures, c.Failures),
		Calls: pick(20, a.Calls, b.Calls, c.Calls), Out: out,
		Longest: pick(max(Duration(5*time.Minute), out), a.Longest, b.Longest, c.Longest), Most: pick(50, a.Most, b.Most, c.Most),
	}
}

// DefaultAnswer stands in for an answer that failed.
type DefaultAnswer struct {
	Status int    `json:"status"`
	Type   string `json:"type,omitempty"`
	Body   string `json:"body,omitempty"`
}

// LastGood is which answers may stand in for one that failed.
type LastGood struct {
	Keep    Duration `json:"keep"`
	Private bool     `json:"private,omitempty"`
}

// Queue is how calls that failed are kept, to be made later.
type Queue struct {
	Keep        Duration `json:"keep"`
	Fresh       Duration `json:"fresh"`
	Calls       int      `json:"calls"`
	Size        Size     `json:"size"`
	Body        Size     `json:"body"`
	Credentials string   `json:"credentials"`
}

// MaxQueuedBody is the largest body of a call that can be kept.
const MaxQueuedBody Size = 512 << 10

// What happens when a call fails.
const (
	OnFail     = "fail"
	OnDegrade  = "degrade"
	OnDefault  = "default"
	OnLastGood = "last-good"
	OnQueue    = "queue"
)

// policies are the keys that a call has in common with the standard.
func (f CallFile) policies() CallsFile {
	return CallsFile{
		Connect: f.Connect, Header: f.Header, Total: f.Total, Retries: f.Retries, Concurrent: f.Concurrent,
		Wait: f.Wait, Adaptive: f.Adaptive, Breaker: f.Breaker,
	}
}

// callPolicy resolves what the standard, the service and the environment say,
// of a call whose answer begins within the time-out.
func callPolicy(timeout Duration, standard, own, set CallsFile) CallPolicy {
	p := CallPolicy{
		Connect: pick(Duration(time.Second), standard.Connect, own.Connect, set.Connect),
		Header:  pick(0, standard.Header, own.Header, set.Header),
		Total:   pick(max(Duration(time.Minute), timeout), standard.Total, own.Total, set.Total),
		Retries: pick(2, standard.Retries, own.Retries, set.Retries), Concurrent: pick(100, standard.Concurrent, own.Concurrent, set.Concurrent),
		Wait: pick(Duration(50*time.Millisecond), standard.Wait, own.Wait, set.Wait), Adaptive: pick(true, standard.Adaptive, own.Adaptive, set.Adaptive),
	}
	if a, b, c := standard.Breaker, own.Breaker, set.Breaker; pick(true, a.Enabled, b.Enabled, c.Enabled) {
		p.Breaker = &Breaker{
			Failures: pick(50, a.Failures, b.Failures, c.Failures), Calls: pick(20, a.Calls, b.Calls, c.Calls),
			Within: pick(Duration(10*time.Second), a.Within, b.Within, c.Within), Open: pick(Duration(5*time.Second), a.Open, b.Open, c.Open),
		}
	}
	return p
}

// fallback resolves what stands in for an answer that failed.
func (d *Dependency) fallback(own, set CallFile) {
	switch d.OnFailure {
	case OnDefault:
		d.Default = &DefaultAnswer{
			Status: pick(200, own.Default.status(), set.Default.status()),
			Type:   pick("application/json", own.Default.kind(), set.Default.kind()), Body: pick("", own.Default.body(), set.Default.body()),
		}
	case OnLastGood:
		d.LastGood = &LastGood{Keep: pick(Duration(time.Hour), own.LastGood.Keep, set.LastGood.Keep), Private: pick(false, own.LastGood.Private, set.LastGood.Private)}
	case OnQueue:
		a, b := own.Queue, set.Queue
		d.Queue = &Queue{
			Keep: pick(Duration(24*time.Hour), a.Keep, b.Keep), Fresh: pick(Duration(5*time.Minute), a.Fresh, b.Fresh), Calls: pick(1000, a.Calls, b.Calls),
			Size: pick(64<<20, a.Size, b.Size), Body: pick(256<<10, a.Body, b.Body), Credentials: pick("refuse", nonEmpty(a.Credentials), nonEmpty(b.Credentials)),
		}
	}
}

func (f *DefaultFile) status() *int {
	if f == nil {
		return nil
	}
	return f.Status
}

func (f *DefaultFile) kind() *string {
	if f == nil {
		return nil
	}
	return nonEmpty(f.Type)
}

func (f *DefaultFile) body() *string {
	if f == nil {
		return nil
	}
	return nonEmpty(f.Body)
}
