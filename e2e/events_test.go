package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/internal/house"
)

const eventsPlan = `system: till
owners:
  team: {mail: team@till.example}
services:
  - path: services/*
`

// till is a system in which no program has a library of plat's: till publishes
// by POST, and three receive by push.
func till(t *testing.T) string {
	t.Helper()
	receiver := func(name, push string) string {
		return "service: " + name + "\nowner: team\nrun: [DUMMY]\nconsumes: {events: {order.placed: " + push + "}}\n"
	}
	return system(t, map[string]string{
		"plat.yaml":                     eventsPlan,
		"services/till/service.yaml":    "service: till\nowner: team\nrun: [DUMMY]\nprovides: {events: {order.placed: {}}}\n",
		"services/welcome/service.yaml": receiver("welcome", "{push: /events, retries: 5}"),
		"services/parcels/service.yaml": receiver("parcels", "{push: /events, retries: 5}"),
		"services/fraud/service.yaml":   receiver("fraud", "{push: /refuse, retries: 1}"),
	})
}

// place posts an event as curl would.
func place(t *testing.T, url, id, data string, more ...string) house.Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader([]byte(data)))
	if err != nil {
		t.Fatal(err)
	}
	fields := append([]string{"Content-Type", "application/json", "ce-specversion", "1.0", "ce-id", id, "ce-source", "/till/7", "ce-type", "order.placed"}, more...)
	for i := 0; i < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	return sent(t, http.DefaultClient, req)
}

// took is how often a service says that it took an event.
func took(t *testing.T, h *house.House, service, id string) int {
	t.Helper()
	out, code := h.Plat("logs", service)
	if code != 0 {
		t.Fatalf("plat logs: exit %d\n%s", code, out)
	}
	return strings.Count(out, "took order.placed "+id+"\n")
}

// taken waits until a service took an event.
func taken(t *testing.T, h *house.House, service, id string) {
	t.Helper()
	house.Until(t, service+" takes "+id, func() (bool, string) {
		n := took(t, h, service, id)
		return n > 0, fmt.Sprint(n, " times")
	})
}

// TestEventsByHTTP publishes as any program can, and what is wrong with it is
// said.
func TestEventsByHTTP(t *testing.T) {
	t.Parallel()
	h := house.Up(t, till(t))
	url := gave(t, h, "till", "PLAT_PUBLISH")

	if a := place(t, url, "first", `{"total": 12}`); a.Status != 202 {
		t.Fatalf("published: %d %s", a.Status, a.Body)
	}
	taken(t, h, "welcome", "first")
	taken(t, h, "parcels", "first")
	if a := place(t, url, "first", `{"total": 12}`); a.Status != 200 || !strings.Contains(string(a.Body), `"duplicate":true`) {
		t.Errorf("published twice: %d %s", a.Status, a.Body)
	}

	// The one that always refuses has its dead letter, with the reason.
	var letters []api.DeadLetter
	house.Until(t, "the dead letter", func() (bool, string) {
		events, err := operator(t, h).Events(t.Context())
		letters = events.DeadLetters
		return err == nil && len(letters) == 1, fmt.Sprint(letters, err)
	})
	if l := letters[0]; l.Service != "fraud" || l.Event != "order.placed" || l.EventID != "first" || l.Deliveries != 2 || string(l.Data) != `{"total":12}` {
		t.Errorf("dead letter %+v", l)
	}
	out, code := h.Plat("events", "--dead")
	if code != 0 {
		t.Errorf("plat events --dead: exit %d", code)
	}
	contains(t, "plat events --dead", out, "fraud", "POST /refuse answered 500")

	// Whoever published, and whoever it was pushed to, are in one trace.
	house.Until(t, "the event's story", func() (bool, string) {
		story, err := operator(t, h).Story(t.Context(), "first")
		if err != nil || len(story.Traces) != 1 {
			return false, fmt.Sprintf("%+v, %v", story.Traces, err)
		}
		told := map[string]bool{}
		for _, s := range story.Steps {
			told[s.Service+" "+s.Kind] = true
		}
		return told["till event"] && told["welcome call"] && told["parcels call"], fmt.Sprint(story.Steps)
	})

	for name, c := range map[string]struct {
		url, data string
		header    []string
		status    int
		code      string
		words     string
	}{
		"no JSON":        {url, `{"total": `, nil, 400, "event-invalid", ""},
		"no type":        {url, `{}`, []string{"ce-type", ""}, 400, "event-invalid", "type"},
		"undeclared":     {url, `{}`, []string{"ce-type", "order.lost"}, 403, "event-undeclared", "order.lost"},
		"not its own":    {gave(t, h, "welcome", "PLAT_PUBLISH"), `{}`, nil, 403, "event-undeclared", "welcome"},
		"a web page's":   {url, `{}`, []string{"Origin", "http://evil.example"}, 403, "event-origin", ""},
		"too large":      {url, `{"text": "` + strings.Repeat("x", 1<<20) + `"}`, nil, 413, "event-too-large", ""},
		"curl -d's form": {url, `{}`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "event-media-type", ""},
	} {
		a := place(t, c.url, "wrong", c.data, c.header...)
		var p problem
		a.JSON(t, &p)
		if a.Status != c.status || p.Code != c.code {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
		contains(t, name, p.Detail+" "+p.Remedy, c.words)
	}
	if a := house.Call(t, "GET", url, nil); a.Status != 405 {
		t.Errorf("GET: %d", a.Status)
	}
	if out, code := h.Plat("publish", "order.placed", "-d", `{"total": 3}`, "--id", "by-hand"); code != 0 {
		t.Errorf("plat publish: exit %d\n%s", code, out)
	}
	taken(t, h, "parcels", "by-hand")
	for _, id := range []string{"first", "by-hand"} {
		if n := took(t, h, "parcels", id); n != 1 {
			t.Errorf("parcels took %s %d times", id, n)
		}
	}
	if n := took(t, h, "parcels", "wrong"); n != 0 {
		t.Errorf("parcels took what was refused")
	}
}

// TestNoEventIsLost lets receivers refuse, hang, die and be away, and kills
// plat after it said that it has an event.
func TestNoEventIsLost(t *testing.T) {
	t.Parallel()
	h := house.Up(t, till(t))
	url := gave(t, h, "till", "PLAT_PUBLISH")
	published := func(id string) {
		t.Helper()
		if a := place(t, url, id, `{}`); a.Status != 202 {
			t.Fatalf("published: %d %s", a.Status, a.Body)
		}
	}
	mood := func(service, query string) {
		t.Helper()
		if a := hosted(t, http.DefaultClient, gave(t, h, "till", "PLAT_MESH")+"/mood?"+query, service+".internal"); a.Status != 200 {
			t.Fatalf("mood: %d %s", a.Status, a.Body)
		}
	}

	// Refused, then taken.
	mood("welcome", "refuse=1")
	published("refused-once")
	taken(t, h, "welcome", "refused-once")
	if n := took(t, h, "welcome", "refused-once"); n != 1 {
		t.Errorf("it was taken %d times", n)
	}

	// Under way when the receiver dies: the next instance takes it.
	mood("welcome", "hang=1")
	published("hung")
	house.Until(t, "welcome has it", func() (bool, string) {
		out, _ := h.Plat("logs", "welcome")
		return strings.Contains(out, "hangs hung"), out
	})
	if err := syscall.Kill(states(t, h)["welcome"].Instances[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	taken(t, h, "welcome", "hung")

	// Nobody there, and plat killed after its 202.
	if out, code := h.Plat("scale", "welcome=0"); code != 0 {
		t.Fatalf("plat scale: exit %d\n%s", code, out)
	}
	published("before-the-kill")
	house.Until(t, "it waits", func() (bool, string) {
		events, err := operator(t, h).Events(t.Context())
		for _, c := range events.Consumers {
			if c.Service == "welcome" && c.Lag+uint64(max(c.Unacked, 0)) == 1 && c.Push == "/events" {
				return true, ""
			}
		}
		return false, fmt.Sprintf("%+v %v", events.Consumers, err)
	})
	killed(t, h)
	again(t, h)
	taken(t, h, "welcome", "before-the-kill")
	url = gave(t, h, "till", "PLAT_PUBLISH")
	if a := place(t, url, "before-the-kill", `{}`); a.Status != 200 {
		t.Errorf("published again after the kill: %d %s", a.Status, a.Body)
	}

	// Killed in the midst of deliveries: those come again 30 s later.
	var ids []string
	for i := range 20 {
		ids = append(ids, fmt.Sprintf("number-%d", i))
		published(ids[i])
	}
	killed(t, h)
	again(t, h)
	url = gave(t, h, "till", "PLAT_PUBLISH")
	house.Until(t, "parcels has all but those", func() (bool, string) {
		events, err := operator(t, h).Events(t.Context())
		for _, c := range events.Consumers {
			if c.Service == "parcels" && c.Lag == 0 {
				return true, ""
			}
		}
		return false, fmt.Sprintf("%+v %v", events.Consumers, err)
	})
	mood("parcels", "hang=1") // and one that is not answered within 30 s, too
	published("hangs-long")
	ids = append(ids, "hangs-long")
	house.Until(t, "all are taken", func() (bool, string) {
		for _, service := range []string{"welcome", "parcels"} {
			out, code := h.Plat("logs", service)
			for _, id := range ids {
				if code != 0 || !strings.Contains(out, "took order.placed "+id+"\n") {
					return false, service + " lacks " + id
				}
			}
		}
		return true, ""
	})
	house.Until(t, "nothing waits any more", func() (bool, string) {
		events, err := operator(t, h).Events(t.Context())
		for _, c := range events.Consumers {
			if c.Service != "fraud" && (c.Lag > 0 || c.Unacked > 0) {
				return false, fmt.Sprintf("%+v", c)
			}
		}
		return err == nil && len(events.Orphans) == 0 && len(events.Faults) == 0, fmt.Sprint(err, events.Orphans, events.Faults)
	})
}

// TestMail sends a mail as services do and reads it as developers do.
func TestMail(t *testing.T) {
	t.Parallel()
	h := house.Up(t, till(t))
	if a := hosted(t, http.DefaultClient, gave(t, h, "till", "PLAT_MESH")+"/mail", "till.internal"); a.Status != 200 {
		t.Fatalf("mail: %d %s", a.Status, a.Body)
	}
	read := func() api.Mail {
		t.Helper()
		box, err := operator(t, h).Mails(t.Context())
		if err != nil || len(box.Mails) != 1 {
			t.Fatalf("the mailbox has %+v, %v", box, err)
		}
		mail, err := operator(t, h).Mail(t.Context(), box.Mails[0].ID)
		if err != nil || !strings.Contains(mail.Text, "nothing much") || mail.From != "dummy@dummy.example" || mail.Subject != "a dummy writes" || strings.Join(mail.To, " ") != "you@dummy.example" {
			t.Fatalf("mail %+v, %v", mail, err)
		}
		return mail.Mail
	}
	first := read()
	killed(t, h)
	again(t, h)
	if mail := read(); mail.ID != first.ID || !mail.Time.Equal(first.Time) {
		t.Errorf("the mail was %+v, is %+v", first, mail)
	}
	out, code := h.Plat("mail", first.ID)
	if code != 0 {
		t.Errorf("plat mail: exit %d", code)
	}
	contains(t, "plat mail", out, "Subject: a dummy writes", "nothing much")
	if out, code := h.Plat("mail", "--clear"); code != 0 {
		t.Errorf("plat mail --clear: exit %d\n%s", code, out)
	}
	if box, err := operator(t, h).Mails(t.Context()); err != nil || len(box.Mails) != 0 {
		t.Errorf("the mailbox has %+v, %v", box, err)
	}
}
