// Package lastgood remembers the last good answer to each question, so that it
// may stand in for one that fails. It is no cache: nothing is answered from it
// while the service answers, and freshness plays no part but for a greatest age.
// What it holds is bounded, and goes with the process.
//
// It must never import another room than gateway/cache, which reads the header
// of an answer for it.
package lastgood

import (
	"bytes"
	"container/list"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/plat-dev/plat/gateway/cache"
)

// Bounds of what is kept.
const (
	DefaultSize = 32 << 20 // bytes in all
	LargestBody = 1 << 20  // of one answer
	variants    = 16       // of one question, by Vary
	overhead    = 512      // bytes that an entry costs beside what it holds
)

// Answer is one that was kept.
type Answer struct {
	Header http.Header // must not be changed
	Body   []byte      // must not be changed
	Age    time.Duration
}

// Store keeps answers. All methods are safe for concurrent use.
type Store struct {
	size int

	mu      sync.Mutex // guards what follows
	used    int
	recent  *list.List // of *entry, the one that was used last in front
	entries map[question][]*list.Element
}

// Scope is whose answers they are: those to one caller are no other's.
type Scope struct{ Caller, Callee string }

// question is what is asked, but for what the answer varies by.
type question struct {
	scope        Scope
	host, target string
}

// entry is one kept answer.
type entry struct {
	question
	varied map[string]string // fields of the request that the answer depends on
	answer Answer
	at     time.Time
	age    time.Duration // it had when it came
	cost   int
}

// New makes a store of so many bytes (0: DefaultSize).
func New(size int) *Store {
	if size <= 0 {
		size = DefaultSize
	}
	return &Store{size: size, recent: list.New(), entries: map[question][]*list.Element{}}
}

// Recorder takes the body of an answer as it passes.
type Recorder struct {
	store *Store
	entry *entry
	body  bytes.Buffer
	over  bool
}

// Record begins to keep the answer to r; nil when it is none to be kept: not a
// whole 200 to a GET, said to be stored by nobody or to vary by everything,
// with a cookie to be set, too large, or a customer's own (asked with
// Authorization or Cookie, or marked private) unless private.
func (s *Store) Record(scope Scope, r *http.Request, res *http.Response, private bool) *Recorder {
	if r.Method != http.MethodGet || r.Header["Range"] != nil || res.StatusCode != http.StatusOK || res.ContentLength > LargestBody ||
		len(res.Trailer) > 0 || res.Header["Set-Cookie"] != nil ||
		cache.Says(r.Header, "no-store") || cache.Says(res.Header, "no-store") || !private && (personal(r) || cache.Says(res.Header, "private")) {
		return nil
	}
	varied := map[string]string{}
	for _, line := range res.Header["Vary"] {
		for name := range strings.SplitSeq(line, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			if name == "*" || len(varied) >= variants {
				return nil
			}
			if name != "" {
				varied[name] = field(r.Header, name)
			}
		}
	}
	if private {
		for _, name := range []string{"Authorization", "Cookie"} {
			varied[name] = field(r.Header, name)
		}
	}
	e := &entry{question: ask(scope, r), varied: varied, at: time.Now()}
	if seconds, err := strconv.ParseUint(res.Header.Get("Age"), 10, 31); err == nil {
		e.age = time.Duration(seconds) * time.Second // #nosec G115 -- of 31 bits
	}
	e.answer.Header = maps.Clone(res.Header)
	return &Recorder{store: s, entry: e}
}

func ask(scope Scope, r *http.Request) question {
	return question{scope, strings.ToLower(r.Host), r.URL.RequestURI()}
}

// personal tells whether the answer may be for the sender alone.
func personal(r *http.Request) bool {
	return r.Header["Authorization"] != nil || r.Header["Cookie"] != nil
}

func field(h http.Header, name string) string { return strings.Join(h[name], ", ") }

// Write implements io.Writer; it never fails. A body over the bound makes that
// nothing is kept.
func (r *Recorder) Write(p []byte) (int, error) {
	if r.over = r.over || r.body.Len()+len(p) > LargestBody; r.over {
		r.body = bytes.Buffer{}
	} else {
		r.body.Write(p)
	}
	return len(p), nil
}

// Keep keeps the answer: its body was written whole.
func (r *Recorder) Keep() {
	if r.over {
		return
	}
	e := r.entry
	e.answer.Body = r.body.Bytes()
	e.cost = overhead + len(e.target) + len(e.host) + r.body.Cap()
	for name, values := range e.answer.Header {
		e.cost += len(name) + len(strings.Join(values, "")) + 32
	}
	for name, value := range e.varied {
		e.cost += len(name) + len(value) + 32
	}
	r.store.put(e)
}

func (s *Store) put(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, old := range s.entries[e.question] {
		if o := value(old); maps.Equal(o.varied, e.varied) {
			if o.at.After(e.at) {
				return // a later one was quicker
			}
			s.drop(old)
			break
		}
	}
	if all := s.entries[e.question]; len(all) >= variants {
		s.drop(all[0])
	}
	s.entries[e.question] = append(s.entries[e.question], s.recent.PushFront(e))
	s.used += e.cost
	for s.used > s.size {
		s.drop(s.recent.Back())
	}
}

// drop forgets an entry; s.mu is held.
func (s *Store) drop(at *list.Element) {
	e := value(at)
	s.recent.Remove(at)
	s.used -= e.cost
	left := slices.DeleteFunc(s.entries[e.question], func(other *list.Element) bool { return other == at })
	if s.entries[e.question] = left; len(left) == 0 {
		delete(s.entries, e.question)
	}
}

func value(at *list.Element) *entry {
	e, _ := at.Value.(*entry) // nothing else is ever put in
	return e
}

// Find gives the last good answer to r, which is a GET or HEAD, no older than
// keep. A customer's own is given to who asked for it alone, and without
// private nothing is given to who may have an answer of his own.
func (s *Store) Find(scope Scope, r *http.Request, keep time.Duration, private bool) (Answer, bool) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || !private && personal(r) {
		return Answer{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.entries[ask(scope, r)]
	for i := range slices.Backward(all) {
		at, e := all[i], value(all[i])
		if !matches(e, r, private) {
			continue
		}
		age := time.Since(e.at) + e.age
		if age > keep {
			s.drop(at)
			return Answer{}, false
		}
		s.recent.MoveToFront(at)
		found := e.answer
		found.Age = age
		return found, true
	}
	return Answer{}, false
}

// matches tells whether a kept answer is one to r. What was kept while the
// plan said private is not given out when it says so no more.
func matches(e *entry, r *http.Request, private bool) bool {
	for name, value := range e.varied {
		if field(r.Header, name) != value {
			return false
		}
	}
	_, own := e.varied["Authorization"]
	_, cookie := e.varied["Cookie"]
	return private == (own && cookie) || !private && !cache.Says(e.answer.Header, "private")
}

// Used is how many bytes are kept.
func (s *Store) Used() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

// Kept is what is told of one kept answer.
type Kept struct {
	Scope
	Target string   // path and query
	Tags   []string // of Surrogate-Key and Cache-Tag
	Age    time.Duration
}

// Kept lists what is kept, the latest asked for first.
func (s *Store) Kept() []Kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Kept
	for at := s.recent.Front(); at != nil; at = at.Next() {
		all = append(all, value(at).told())
	}
	return all
}

// Forget drops what is meant, and tells how many answers that were. An answer
// that is on its way meanwhile is kept, though it may be from before; the next
// good one takes its place.
func (s *Store) Forget(meant func(Kept) bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for at := s.recent.Front(); at != nil; {
		next := at.Next()
		if meant(value(at).told()) {
			s.drop(at)
			n++
		}
		at = next
	}
	return n
}

func (e *entry) told() Kept {
	return Kept{Scope: e.scope, Target: e.target, Tags: cache.Tags(e.answer.Header), Age: time.Since(e.at) + e.age}
}
