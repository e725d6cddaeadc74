package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan/yaml"
)

// mostTries is how often a callee may be asked for one request of a customer
// before that is a finding: a service that has trouble gets that much more.
const mostTries = 3

// checkPolicies finds what contradicts itself in how calls are protected.
func (r *resolver) checkPolicies(s *System) {
	for _, svc := range s.Services {
		if rate := r.services[svc.Name].File.Limits.Rate; rate != nil && rate.Limit == 0 {
			r.services[svc.Name].doc.key(noLimit(), "limits", "rate")
		}
		r.checkEjection(svc)
		for _, d := range svc.Calls {
			r.checkFallback(svc.Name, d)
			r.checkQueue(svc.Name, d)
			r.checkKept(svc.Name, d)
			r.checkTimes(svc.Name, d)
		}
	}
	r.checkRetries(s)
}

// checkEjection finds what can never act in when instances are ejected.
func (r *resolver) checkEjection(svc Service) {
	doc, own := r.services[svc.Name].doc, r.services[svc.Name].File.Ejection
	if none := (EjectionFile{}); own == none || svc.Ejection == nil {
		return
	}
	for _, share := range []struct {
		key string
		of  *Percent
	}{{"failures", own.Failures}, {"most", own.Most}} {
		if share.of != nil && *share.of == 0 {
			doc.value(fault.Newf(fault.PlanBadValue, "%s is 0%%", share.key).Why("expected more than 0%, at most 100%").
				Fix("write a share, or ejection: {enabled: false} to eject nobody"), "ejection", share.key)
		}
	}
	if own.Out != nil && *own.Out > svc.Ejection.Longest {
		doc.value(fault.Newf(fault.PlanShortTimeout, "an instance is out for %s, which is more than longest, %s", *own.Out, svc.Ejection.Longest).
			Why("it is never out so long").Fix(fmt.Sprintf("write out: %s at most, or a greater longest", svc.Ejection.Longest)).Warn(), "ejection", "out")
	}
	if most := float64(svc.Ejection.Most) / 100 * float64(svc.Instances); svc.Instances < 2 || most < 1 {
		doc.key(fault.Newf(fault.PlanBadValue, "no instance of %s is ever ejected", svc.Name).
			Why(fmt.Sprintf("it has instances: %d, of which at most %s may be out, and never the last", svc.Instances, svc.Ejection.Most)).
			Fix("run more instances, or raise most").Warn(), "ejection")
	}
}

// noLimit is a rate without a number.
func noLimit() *fault.Fault {
	return fault.New(fault.PlanMissingField, "the rate has no limit").Why("nothing would be allowed").Fix("write rate: {limit: 50}, or with per: and burst:")
}

// checkFallback finds a fallback that lacks, and keys of another one.
func (r *resolver) checkFallback(caller string, d Dependency) {
	doc, own := r.services[caller].doc, r.services[caller].File.Consumes.Services[d.Service]
	set := r.system.File.Environments[r.environment].Set[caller].Consumes.Services[d.Service]
	at := []any{"consumes", "services", d.Service}
	if d.Optional && d.OnFailure == OnFail {
		doc.key(fault.Newf(fault.PlanNoFallback, "%s does without %s, but a call that fails is an error", caller, d.Service).
			Why("optional says that it runs without it; on-failure does not say what stands in for an answer").
			Fix("write on-failure: degrade, default, last-good or queue, or delete optional").Warn(), append(at, "optional")...)
	}
	if d.OnFailure == OnDefault && own.Default == nil && set.Default == nil {
		doc.value(fault.Newf(fault.PlanMissingField, "on-failure: default of %s has no value", d.Service).
			Why("expected default beside it").Fix("write default: {body: '[]'}"), append(at, "on-failure")...)
	}
	said := pick(OnFail, nonEmpty(own.OnFailure))
	for _, key := range []struct {
		name, of string
		there    bool
	}{{"default", OnDefault, own.Default != nil}, {"last-good", OnLastGood, own.LastGood != LastGoodFile{}}, {"queue", OnQueue, own.Queue != QueueFile{}}} {
		if key.there && said != key.of {
			doc.key(fault.Newf(fault.PlanConflictingFields, "%s stands beside on-failure: %s", key.name, said).
				Why("it is used by on-failure: "+key.of+" alone").Fix("write on-failure: "+key.of+", or delete "+key.name), append(at, key.name)...)
		}
	}
}

// checkQueue finds bounds of a queue by which nothing could ever be kept, and
// an alert that could never come.
func (r *resolver) checkQueue(caller string, d Dependency) {
	q := d.Queue
	if q == nil {
		return
	}
	at := func(f *fault.Fault, key string) {
		r.services[caller].doc.value(f, "consumes", "services", d.Service, "queue", key)
	}
	if q.Body < 1 || q.Body > MaxQueuedBody {
		at(fault.Newf(fault.PlanBadValue, "body of the queue to %s is %s", d.Service, q.Body).
			Why(fmt.Sprintf("expected 1B to %s", MaxQueuedBody)).Fix("keep what is larger in a store, and let the call refer to it"), "body")
	}
	if q.Size < q.Body {
		at(fault.Newf(fault.PlanConflictingFields, "size of the queue to %s is %s, and one body may have %s", d.Service, q.Size, q.Body).
			Why("such a call would never find room").Fix("write a larger size, or a smaller body"), "size")
	}
	if q.Fresh >= q.Keep {
		at(fault.Newf(fault.PlanConflictingFields, "fresh of the queue to %s is %s, and its calls are given up after %s", d.Service, q.Fresh, q.Keep).
			Why("the alert would come when it is too late").Fix("write a fresh below keep").Warn(), "fresh")
	}
}

// checkKept warns of a queue that keeps nothing, by what the called service
// says of itself.
func (r *resolver) checkKept(caller string, d Dependency) {
	if d.Queue == nil {
		return
	}
	own, set := r.services[caller], r.system.File.Environments[r.environment].Set[caller].Consumes.Services[d.Service]
	said := own.File.Consumes.Services[d.Service].Queue.Credentials+set.Queue.Credentials != "" || own.doc.has("consumes", "services", d.Service, "queue", "credentials")
	nothing := func(what, why, fix string) {
		own.doc.value(fault.Newf(fault.PlanNothingKept, "%s", what).Why(why).Fix(fix).Warn(), "consumes", "services", d.Service, "on-failure")
	}
	callee := r.services[d.Service]
	switch {
	case d.External && !said:
		nothing("calls of "+d.Service+" that bear a key or a token are not kept", "most services that are not ours want one, and none is written to the disk unless the plan says so",
			"write queue: {credentials: keep}, or refuse if the calls bear none")
	case callee == nil || callee.File.Provides.HTTP == nil: // it says nothing of itself
	case callee.File.Provides.HTTP.Protocol == "h2c" && callee.File.Provides.HTTP.OpenAPI == "":
		nothing(d.Service+" speaks gRPC, as it seems, of which no call is kept", "it speaks h2c and names no OpenAPI document; gRPC's calls are streams, and their callers need the answer",
			"write on-failure: fail or degrade, or name the OpenAPI document of "+d.Service+" under its provides.http")
	case callee.readsOnly():
		nothing("no call of "+d.Service+" is ever kept", callee.File.Provides.HTTP.OpenAPI+" of "+d.Service+" has nothing but GET and HEAD, whose callers need the answer",
			"write on-failure: last-good, default, degrade or fail")
	}
}

// readsOnly tells whether the service's OpenAPI document has operations and
// none of them changes anything. A document that is not plain, but for statuses as keys, says nothing.
func (d *Declaration) readsOnly() bool {
	p, ok := local(d.File.Provides.HTTP.OpenAPI)
	if !ok || d.Files == nil {
		return false
	}
	data, _ := read(d.Files, p) // one that is missing has a finding of its own
	plain, reads := true, false
	root, ok := yaml.Parse(p, data, func(f *fault.Fault) { plain = plain && f.Code == fault.PlanAmbiguousValue })
	if !ok || !plain || root == nil {
		return false
	}
	paths, ok := root.Lookup("paths")
	for i := 0; ok && i < len(paths.Value.Entries); i++ {
		for _, operation := range paths.Value.Entries[i].Value.Entries {
			switch operation.Key {
			case "get", "head":
				reads = true
			case "post", "put", "patch", "delete", "$ref":
				return false
			}
		}
	}
	return reads
}

// checkTimes warns of a part that may take longer than the whole.
func (r *resolver) checkTimes(caller string, d Dependency) {
	doc, own := r.services[caller].doc, r.services[caller].File.Consumes.Services[d.Service]
	longer := func(part string, of *Duration, whole string, bound Duration) {
		if of != nil && *of > bound {
			doc.value(fault.Newf(fault.PlanShortTimeout, "%s %s of the call to %s is more than its %s of %s", part, *of, d.Service, whole, bound).
				Why("it can never be used up").Fix(fmt.Sprintf("write at most %s, or a longer %s", bound, whole)).Warn(), "consumes", "services", d.Service, part)
		}
	}
	longer("connect", own.Connect, "timeout", d.Timeout)
	longer("header", own.Header, "timeout", d.Timeout)
	longer("wait", own.Wait, "timeout", d.Timeout)
	longer("timeout", own.Timeout, "total", d.Policy.Total)
}

// checkRetries warns of declared retries that multiply along a chain of calls.
// plat marks what was tried again, so that it is not again below; a service
// that does not pass the mark on breaks that.
func (r *resolver) checkRetries(s *System) {
	said := func(caller, callee string) int {
		for _, f := range []CallsFile{
			r.system.File.Environments[r.environment].Set[caller].Consumes.Services[callee].policies(),
			r.services[caller].File.Consumes.Services[callee].policies(), r.system.File.Defaults.Calls,
		} {
			if f.Retries != nil {
				return 1 + *f.Retries
			}
		}
		return 1
	}
	type chain struct {
		tries int
		names []string
	}
	known := map[string]chain{}
	var most func(string, []string) chain
	most = func(service string, above []string) chain {
		if c, ok := known[service]; ok {
			return c
		}
		best := chain{1, []string{service}}
		if slices.Contains(above, service) {
			return best // a circle has a finding of its own
		}
		svc, _ := s.Service(service)
		for _, d := range svc.Calls {
			below := most(d.Service, append(above, service))
			if tries := said(service, d.Service) * below.tries; tries > best.tries {
				best = chain{tries, append([]string{service}, below.names...)}
			}
		}
		known[service] = best
		return best
	}
	for _, svc := range s.Services {
		for _, d := range svc.Calls {
			own, below := said(svc.Name, d.Service), most(d.Service, []string{svc.Name})
			if own == 1 || own*below.tries <= mostTries {
				continue
			}
			r.services[svc.Name].doc.value(fault.Newf(fault.PlanRetriesMultiply, "one request may become %d: %s", own*below.tries, strings.Join(append([]string{svc.Name}, below.names...), " → ")).
				Why(fmt.Sprintf("tries multiply where a service does not pass on that it was retried already; expected at most %d", mostTries)).
				Fix("retry at one place of the chain alone: write retries: 0 at the others").Warn(), "consumes", "services", d.Service, "retries")
		}
	}
}
