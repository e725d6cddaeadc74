package nats

import (
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/plat-dev/plat/event"
)

const maxViolations = 256

// engineLog takes the engine's log. It passes on what an operator needs,
// counts what services were not allowed to do, and notices the lines by which
// the engine says that it has stopped storing. The engine has no other way to
// tell; the tests hold its words.
type engineLog struct {
	log     *slog.Logger
	service func(connection uint64) string
	stalled chan string // holds the last reason

	denied  *regexp.Regexp
	refused *regexp.Regexp

	mu         sync.Mutex
	last       string // fatal line of this engine
	violations map[violationKey]*event.Violation
	dropped    int64
}

type violationKey struct{ service, action, subject string }

func newEngineLog(log *slog.Logger, service func(uint64) string) *engineLog {
	return &engineLog{
		log: log, service: service, stalled: make(chan string, 1),
		denied:     regexp.MustCompile(`cid:(\d+) .*- (Publish|Subscription) Violation .*(?:Subject|Reply) ("(?:[^"\\]|\\.)*")`),
		refused:    regexp.MustCompile(`cid:\d+ .*- authentication error - User ("(?:[^"\\]|\\.)*")$`),
		violations: map[violationKey]*event.Violation{},
	}
}

// Noticef takes what is of interest to developers of plat alone.
func (l *engineLog) Noticef(format string, v ...any) { l.Debugf(format, v...) }

// Debugf takes what is of interest to developers of plat alone.
func (l *engineLog) Debugf(format string, v ...any) {
	l.log.Debug("event broker: " + fmt.Sprintf(format, v...))
}

// Tracef takes the protocol, which would hold the events: nothing is kept.
func (l *engineLog) Tracef(string, ...any) {}

// Warnf takes a warning.
func (l *engineLog) Warnf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	l.notice(line)
	l.log.Warn("event broker: " + line)
}

// Errorf takes an error, or a violation.
func (l *engineLog) Errorf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	if l.violation(line) {
		return
	}
	l.notice(line)
	l.log.Error("event broker: " + line)
}

// Fatalf takes the reason why the engine will not run. It does not end the
// process.
func (l *engineLog) Fatalf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	l.mu.Lock()
	l.last = line
	l.mu.Unlock()
	l.log.Debug("event broker: " + line)
}

func (l *engineLog) fatal() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func (l *engineLog) listenFailed() bool {
	return strings.Contains(l.fatal(), "Error listening on port")
}

func (l *engineLog) reset() {
	l.mu.Lock()
	l.last = ""
	l.mu.Unlock()
	select {
	case <-l.stalled:
	default:
	}
}

// notice finds the lines after which the engine stores nothing any more.
func (l *engineLog) notice(line string) {
	for _, words := range []string{"critical write error", "Critical write error", "will be DISABLED", "disabling JetStream"} {
		if strings.Contains(line, words) {
			select {
			case l.stalled <- line:
			default:
			}
			return
		}
	}
}

// violation counts a line that tells of one.
func (l *engineLog) violation(line string) bool {
	key := violationKey{}
	if m := l.denied.FindStringSubmatch(line); m != nil {
		id, _ := strconv.ParseUint(m[1], 10, 64)
		key = violationKey{l.service(id), "publish", text(m[3])}
		if m[2] == "Subscription" {
			key.action = "subscribe"
		}
	} else if m := l.refused.FindStringSubmatch(line); m != nil {
		key = violationKey{text(m[1]), "connect", ""}
	} else {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.violations[key]
	if v == nil {
		if len(l.violations) >= maxViolations {
			l.dropped++
			return true
		}
		v = &event.Violation{Service: key.service, Action: key.action, Subject: key.subject}
		l.violations[key] = v
		l.log.Warn("a service tried what the plan does not allow", "service", key.service, "action", key.action, "subject", key.subject)
	}
	v.Count++
	v.Last = time.Now()
	return true
}

// Violations lists what services tried and were not allowed to do, since
// plat started.
func (s *Server) Violations() []event.Violation { return s.watching.list() }

func (l *engineLog) list() []event.Violation {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := []event.Violation{}
	for _, v := range l.violations {
		all = append(all, *v)
	}
	slices.SortFunc(all, func(a, b event.Violation) int {
		return strings.Compare(a.Service+" "+a.Action+" "+a.Subject, b.Service+" "+b.Action+" "+b.Subject)
	})
	return all
}

func (l *engineLog) droppedCount() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

// text reads a quoted text of the engine's log, cut to a sensible length.
func text(quoted string) string {
	s, err := strconv.Unquote(quoted)
	if err != nil {
		s = quoted
	}
	return strings.ToValidUTF8(s[:min(len(s), 200)], "")
}
