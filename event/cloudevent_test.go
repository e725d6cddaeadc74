package event_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/fault"
)

func valid() event.Event {
	return event.Event{
		ID: "0190", Source: "/services/order", SpecVersion: "1.0", Type: "order.placed",
		Subject: "customer-7", Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), DataContentType: "application/json",
		Extensions: map[string]string{"correlationid": "c1", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		Data:       []byte(`{"total":1299}`),
	}
}

func TestTheWireForm(t *testing.T) {
	t.Parallel()
	e := valid()
	if err := e.Validate(); err != nil {
		t.Fatal(err)
	}
	m := e.Message()
	want := map[string][]string{
		"Nats-Msg-Id": {"0190"}, "ce-specversion": {"1.0"}, "ce-id": {"0190"}, "ce-type": {"order.placed"}, "ce-source": {"/services/order"},
		"ce-subject": {"customer-7"}, "ce-time": {"2026-01-02T03:04:05.000000006Z"}, "content-type": {"application/json"},
		"ce-correlationid": {"c1"}, "traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
	}
	if diff := cmp.Diff(want, m.Header); diff != "" || m.Subject != "event.order.placed" {
		t.Errorf("subject %s, headers (-want +got):\n%s", m.Subject, diff)
	}
	back, err := event.FromMessage(m.Subject, m.Header, m.Data)
	if diff := cmp.Diff(e, back); err != nil || diff != "" {
		t.Errorf("back again: %v (-want +got):\n%s", err, diff)
	}
}

func TestTextOutsideASCIIIsEncoded(t *testing.T) {
	t.Parallel()
	e := valid()
	e.Subject = `100 % "größe" €`
	m := e.Message()
	if got, want := m.Header["ce-subject"][0], `100%20%25%20%22gr%C3%B6%C3%9Fe%22%20%E2%82%AC`; got != want {
		t.Errorf("ce-subject = %s, want %s", got, want)
	}
	back, err := event.FromMessage(m.Subject, m.Header, m.Data)
	if err != nil || back.Subject != e.Subject {
		t.Errorf("back again: %q, %v", back.Subject, err)
	}
	// A sender that does not encode is understood.
	m.Header["ce-subject"] = []string{"100% größe"}
	if back, err := event.FromMessage(m.Subject, m.Header, m.Data); err != nil || back.Subject != "100% größe" {
		t.Errorf("unencoded: %q, %v", back.Subject, err)
	}
}

func TestInvalidEventsAreNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*event.Event)
		says  string
	}{
		"no specversion":       {func(e *event.Event) { e.SpecVersion = "" }, "specversion"},
		"another specversion":  {func(e *event.Event) { e.SpecVersion = "0.3" }, "specversion"},
		"no id":                {func(e *event.Event) { e.ID = "" }, "id"},
		"no source":            {func(e *event.Event) { e.Source = "" }, "source"},
		"a source that is not": {func(e *event.Event) { e.Source = "http://[" }, "source"},
		"no type":              {func(e *event.Event) { e.Type = "" }, "type"},
		"a wildcard":           {func(e *event.Event) { e.Type = "order.>" }, "type"},
		"a space":              {func(e *event.Event) { e.Type = "order placed" }, "type"},
		"upper case":           {func(e *event.Event) { e.Type = "Order.Placed" }, "type"},
		"a dot at the end":     {func(e *event.Event) { e.Type = "order." }, "type"},
		"a long type":          {func(e *event.Event) { e.Type = strings.Repeat("x", 201) }, "type"},
		"a name with a hyphen": {func(e *event.Event) { e.Extensions["my-name"] = "x" }, "my-name"},
		"no name":              {func(e *event.Event) { e.Extensions[""] = "x" }, "attribute"},
		"a line break":         {func(e *event.Event) { e.Extensions["key"] = "a\r\nNats-Rollup: all" }, "key"},
		"a broken text":        {func(e *event.Event) { e.Subject = "\xff" }, "subject"},
		"a long text":          {func(e *event.Event) { e.Subject = strings.Repeat("x", 4097) }, "subject"},
	} {
		e := valid()
		c.spoil(&e)
		if err := e.Validate(); !fault.Is(err, fault.EventInvalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want a fault that names %s", name, err, c.says)
		}
	}
	e := valid()
	e.Data = make([]byte, event.MaxSize)
	if err := e.Validate(); !fault.Is(err, fault.EventTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

func TestAMessageThatIsNoEvent(t *testing.T) {
	t.Parallel()
	m := valid().Message()
	for name, c := range map[string]struct {
		subject string
		header  map[string][]string
	}{
		"no headers":               {"event.order.placed", nil},
		"an answer of the broker":  {"event.order.placed", map[string][]string{"Status": {"404"}}},
		"another type's subject":   {"event.payment.taken", m.Header},
		"a time that is not":       {"event.order.placed", map[string][]string{"ce-id": {"1"}, "ce-source": {"/s"}, "ce-specversion": {"1.0"}, "ce-type": {"order.placed"}, "ce-time": {"yesterday"}}},
		"a header without a value": {"event.order.placed", map[string][]string{"ce-id": {}}},
	} {
		if _, err := event.FromMessage(c.subject, c.header, nil); !fault.Is(err, fault.EventInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzFromMessage(f *testing.F) {
	f.Add("order.placed", "1", "/services/order", "größe", "key", "value", []byte("{}"))
	f.Add("", "", "", "%", "", "\r\n", []byte(nil))
	f.Add("a.b", "%41", "x:", "%zz", "time", "2026-01-02T03:04:05Z", []byte("x"))
	f.Fuzz(func(t *testing.T, kind, id, source, subject, name, value string, data []byte) {
		header := map[string][]string{"ce-specversion": {"1.0"}, "ce-type": {kind}, "ce-id": {id}, "ce-source": {source}, "ce-subject": {subject}, "ce-" + name: {value}}
		e, err := event.FromMessage("event."+kind, header, data)
		if err != nil {
			return
		}
		// What was read as an event can be written and read again.
		m := e.Message()
		for name, values := range m.Header {
			if strings.ContainsAny(name+values[0], "\r\n\x00") {
				t.Fatalf("header %q: %q", name, values)
			}
		}
		again, err := event.FromMessage(m.Subject, m.Header, m.Data)
		if err != nil {
			t.Fatalf("%+v: %v", e, err)
		}
		if diff := cmp.Diff(e, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-first +second):\n%s", diff)
		}
	})
}
