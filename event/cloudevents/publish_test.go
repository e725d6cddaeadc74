package cloudevents_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plat-dev/plat/event"
	"github.com/plat-dev/plat/event/cloudevents"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/store/nats"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestPublishInEachMode(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	url := serve(t, r.publisher.Service("order"))
	want := event.Event{
		ID: "7", Source: "/till/7", SpecVersion: "1.0", Type: "order.placed", Subject: "größe 100%", Time: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC),
		DataContentType: "application/json", Extensions: map[string]string{"correlationid": "work-1", "traceparent": parent, "sequence": "12", "test": "true"}, Data: []byte(`{"total": 12}`),
	}
	check := func(name string, sequence uint64) {
		t.Helper()
		if diff := cmp.Diff(want, r.stored("order", sequence), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	resp, a := post(t, url, attributes("7", "Ce-Subject", "gr%C3%B6%c3%9fe%20100%25", "Ce-Time", "2026-01-02T04:04:05.006+01:00", "Ce-Sequence", "12", "Ce-Test", `"tr\ue"`,
		"X-Correlation-ID", "work-1", "traceparent", parent), `{"total": 12}`)
	if resp.StatusCode != 202 || a.ID != "7" || a.Source != "/till/7" || a.Type != "order.placed" || a.Provider != "order" || a.Duplicate || resp.Header.Get("X-Correlation-Id") != "work-1" {
		t.Errorf("binary: %d %+v", resp.StatusCode, a)
	}
	check("binary", 1)

	const object = `{"specversion":"1.0","id":%q,"source":"/till/7","type":"order.placed","subject":"größe 100%%","time":"2026-01-02T03:04:05.006Z","sequence":12,"test":true,
		"dataschema":null,"correlationid":"work-1","traceparent":"` + parent + `",%s}`
	for i, c := range []struct{ id, data, contentType, stored string }{
		{"8", `"data":{"total": 12}`, "application/json", `{"total": 12}`},
		{"9", `"data":"text"`, "application/json", `"text"`},
		{"10", `"data":null`, "application/json", `null`},
		{"11", `"datacontenttype":"text/plain","data":"te\"xt"`, "text/plain", `te"xt`},
		{"12", `"datacontenttype":"application/octet-stream","data_base64":"AP8="`, "application/octet-stream", "\x00\xff"},
		{"13", `"datacontenttype":"application/vnd.x+json; charset=utf-8","data":[1]`, "application/vnd.x+json; charset=utf-8", "[1]"},
		{"14", `"x":null`, "", ""},
	} {
		// The request's own trace stands back behind the event's.
		resp, a := post(t, url, map[string]string{"Content-Type": "application/cloudevents+json; charset=UTF-8", "X-Correlation-ID": "other"}, fmt.Sprintf(object, c.id, c.data))
		if resp.StatusCode != 202 || a.ID != c.id {
			t.Fatalf("structured %s: %d %+v", c.data, resp.StatusCode, a)
		}
		want.ID, want.DataContentType, want.Data = c.id, c.contentType, []byte(c.stored)
		check("structured "+c.data, uint64(i+2)) // #nosec G115 -- small
	}

	// Any media type is kept, and none.
	for i, contentType := range []string{"text/csv; charset=latin1", "-"} {
		h := attributes(fmt.Sprint("t", i), "Content-Type", contentType)
		if resp, a := post(t, url, h, "1;ü"); resp.StatusCode != 202 {
			t.Fatalf("%s: %d %+v", contentType, resp.StatusCode, a)
		}
		got := r.stored("order", uint64(9+i)) // #nosec G115 -- small
		if string(got.Data) != "1;ü" || got.DataContentType != strings.Trim(contentType, "-") || got.Extensions["correlationid"] == "" || got.Extensions["traceparent"] != "" {
			t.Errorf("%s: %+v", contentType, got)
		}
	}

	batch := `[{"specversion":"1.0","id":"b1","source":"/till/7","type":"order.placed","data":1},
		{"specversion":"1.0","id":"b2","source":"/till/7","type":"order.cancelled","datacontenttype":"text/plain","data":"two"},{"specversion":"1.0","id":"b3","source":"/till/8","type":"order.placed"}]`
	resp, a = post(t, url, map[string]string{"Content-Type": "application/cloudevents-batch+json"}, batch)
	if resp.StatusCode != 202 || len(a.Events) != 3 || a.Events[1].ID != "b2" || a.Events[1].Duplicate || r.count("order") != 13 {
		t.Errorf("batch: %d %+v, %d stored", resp.StatusCode, a, r.count("order"))
	}
	if e := r.stored("order", 12); e.ID != "b2" || e.Type != "order.cancelled" || string(e.Data) != "two" {
		t.Errorf("second of the batch = %+v", e)
	}
	if resp, a := post(t, url, map[string]string{"Content-Type": "application/cloudevents-batch+json"}, ` [ ] `); resp.StatusCode != 200 || len(a.Events) != 0 {
		t.Errorf("empty batch: %d %+v", resp.StatusCode, a)
	}
}

func TestAnEventIsStoredOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	url := serve(t, r.publisher.Service("order"))
	for i, c := range []struct {
		id, source string
		status     int
		stored     uint64
	}{
		{"1", "/till/7", 202, 1},
		{"1", "/till/7", 200, 1},
		{"1", "/till/8", 202, 2}, // another sender counts from 1 as well
		{"1", "/services/order", 202, 3},
		{"1", "/services/order", 200, 3},
		{"1", "/services/shop", 202, 4},
		{"1%20", "/till/7", 202, 5}, // a space counts
	} {
		resp, a := post(t, url, attributes(c.id, "Ce-Source", c.source), "{}")
		if resp.StatusCode != c.status || a.Duplicate != (c.status == 200) || r.count("order") != c.stored {
			t.Errorf("%d: %d %+v, %d stored", i, resp.StatusCode, a, r.count("order"))
		}
	}
	// What the kit publishes is known by its ID alone, so that the two agree.
	if receipt, err := r.room.Publish(ctx(t), "order", event.Event{ID: "1", Type: "order.placed"}); err != nil || !receipt.Duplicate {
		t.Errorf("by the room: %+v, %v", receipt, err)
	}

	// A batch with some that are known stores the others.
	batch := `[{"specversion":"1.0","id":"1","source":"/till/7","type":"order.placed"},{"specversion":"1.0","id":"2","source":"/till/7","type":"order.placed"},{"specversion":"1.0","id":"2","source":"/till/7","type":"order.placed"}]`
	h := map[string]string{"Content-Type": "application/cloudevents-batch+json"}
	resp, a := post(t, url, h, batch)
	if resp.StatusCode != 202 || len(a.Events) != 3 || !a.Events[0].Duplicate || a.Events[1].Duplicate || !a.Events[2].Duplicate || r.count("order") != 6 {
		t.Errorf("a batch with known events: %d %+v, %d stored", resp.StatusCode, a, r.count("order"))
	}
	if resp, _ := post(t, url, h, batch); resp.StatusCode != 200 || r.count("order") != 6 {
		t.Errorf("the batch again: %d, %d stored", resp.StatusCode, r.count("order"))
	}
}

func TestBadEventsAreRefusedByName(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	url := serve(t, r.publisher.Service("order"))
	object := func(more string) string {
		return `{"specversion":"1.0","id":"1","source":"/till/7","type":"order.placed"` + more + `}`
	}
	structured := map[string]string{"Content-Type": "application/cloudevents+json"}
	batch := map[string]string{"Content-Type": "application/cloudevents-batch+json"}
	for name, c := range map[string]struct {
		header map[string]string
		body   string
		status int
		code   fault.Code
		says   string
	}{
		"no specversion":          {attributes("1", "Ce-Specversion", "-"), "{}", 400, fault.EventInvalid, "specversion"},
		"an old specversion":      {attributes("1", "Ce-Specversion", "0.3"), "{}", 400, fault.EventInvalid, "specversion"},
		"no id":                   {attributes("1", "Ce-Id", "-"), "{}", 400, fault.EventInvalid, "attribute id"},
		"an empty id":             {attributes(""), "{}", 400, fault.EventInvalid, "attribute id"},
		"no source":               {attributes("1", "Ce-Source", "-"), "{}", 400, fault.EventInvalid, "source"},
		"a source with a space":   {attributes("1", "Ce-Source", "a%20b"), "{}", 400, fault.EventInvalid, "source"},
		"no type":                 {attributes("1", "Ce-Type", "-"), "{}", 400, fault.EventInvalid, "type"},
		"a time that is none":     {attributes("1", "Ce-Time", "yesterday"), "{}", 400, fault.EventInvalid, "time"},
		"a day of 25 hours":       {attributes("1", "Ce-Time", "2026-01-02T25:00:00Z"), "{}", 400, fault.EventInvalid, "time"},
		"a schema without scheme": {attributes("1", "Ce-Dataschema", "/schema"), "{}", 400, fault.EventInvalid, "dataschema"},
		"a name with a hyphen":    {attributes("1", "Ce-My-Name", "x"), "{}", 400, fault.EventInvalid, "my-name"},
		"a long name":             {attributes("1", "Ce-"+strings.Repeat("x", 21), "x"), "{}", 400, fault.EventInvalid, "xxx"},
		"an escaped line break":   {attributes("1", "Ce-Key", "a%0d%0aNats-Rollup: all"), "{}", 400, fault.EventInvalid, "key"},
		"broken UTF-8":            {attributes("1", "Ce-Key", "%C0%A0"), "{}", 400, fault.EventInvalid, "key"},
		"Latin-1 in a header":     {attributes("1", "Ce-Key", "gr\xf6\xdfe"), "{}", 400, fault.EventInvalid, "percent-encoded"},
		"a long value":            {attributes("1", "Ce-Key", strings.Repeat("x", 4097)), "{}", 400, fault.EventInvalid, "key"},
		"ce-datacontenttype":      {attributes("1", "Ce-Datacontenttype", "text/plain"), "{}", 400, fault.EventInvalid, "ce-datacontenttype"},
		"ce-data":                 {attributes("1", "Ce-Data", "x"), "{}", 400, fault.EventInvalid, "Ce-Data"},
		"data that is not JSON":   {attributes("1"), "{", 400, fault.EventInvalid, "application/json"},
		"data in Latin-1":         {attributes("1"), "\"\xfc\"", 400, fault.EventInvalid, "UTF-8"},
		"no attributes at all":    {map[string]string{"Content-Type": "application/json"}, object(""), 400, fault.EventInvalid, "application/cloudevents+json"},

		"another's event":    {attributes("1", "Ce-Type", "shop.opened"), "{}", 403, fault.EventUndeclared, "shop provides it"},
		"nobody's event":     {attributes("1", "Ce-Type", "order.eaten"), "{}", 403, fault.EventUndeclared, "order.eaten"},
		"a wildcard":         {attributes("1", "Ce-Type", "order.>"), "{}", 400, fault.EventInvalid, "type"},
		"upper case":         {attributes("1", "Ce-Type", "Order.Placed"), "{}", 400, fault.EventInvalid, "type"},
		"plat's own subject": {attributes("1", "Ce-Type", "plat.dead"), "{}", 403, fault.EventUndeclared, "plat.dead"},

		"a form":                 {attributes("1", "Content-Type", "application/x-www-form-urlencoded"), "{}", 415, fault.EventMediaType, "curl"},
		"no media type":          {attributes("1", "Content-Type", "json"), "{}", 415, fault.EventMediaType, "json"},
		"packed":                 {attributes("1", "Content-Encoding", "gzip"), "{}", 415, fault.EventMediaType, "gzip"},
		"CloudEvents in XML":     {attributes("1", "Content-Type", "application/cloudevents+xml"), "<e/>", 415, fault.EventMediaType, "cloudevents+json"},
		"JSON in Latin-1":        {map[string]string{"Content-Type": "application/cloudevents+json; charset=iso-8859-1"}, object(""), 415, fault.EventMediaType, "iso-8859-1"},
		"too large":              {attributes("1", "Content-Type", "text/plain"), strings.Repeat("x", event.MaxSize), 413, fault.EventTooLarge, "1048576"},
		"much too large":         {attributes("1", "Content-Type", "text/plain"), strings.Repeat("x", event.MaxSize+1), 413, fault.EventTooLarge, "1048576"},
		"too many attributes":    {manyAttributes(), "{}", 413, fault.EventTooLarge, "attributes"},
		"too large as JSON":      {structured, object(`,"data":"` + strings.Repeat("x", event.MaxSize) + `"`), 413, fault.EventTooLarge, "1048576"},
		"no body":                {structured, "", 400, fault.EventInvalid, "JSON"},
		"no JSON":                {structured, "hello", 400, fault.EventInvalid, "JSON"},
		"no object":              {structured, "[" + object("") + "]", 400, fault.EventInvalid, "object"},
		"two objects":            {structured, object("") + object(""), 400, fault.EventInvalid, "JSON"},
		"an id twice":            {structured, object(`,"id":"2"`), 400, fault.EventInvalid, `"id"`},
		"an id that is a number": {structured, `{"specversion":"1.0","id":1,"source":"/till/7","type":"order.placed"}`, 400, fault.EventInvalid, `"id"`},
		"an id that is null":     {structured, `{"specversion":"1.0","id":null,"source":"/till/7","type":"order.placed"}`, 400, fault.EventInvalid, "id"},
		"a nested attribute":     {structured, object(`,"key":{"a":1}`), 400, fault.EventInvalid, `"key"`},
		"a fraction":             {structured, object(`,"key":1.5`), 400, fault.EventInvalid, `"key"`},
		"a large number":         {structured, object(`,"key":2147483648`), 400, fault.EventInvalid, `"key"`},
		"upper-case names":       {structured, object(`,"Key":"x"`), 400, fault.EventInvalid, "Key"},
		"data twice":             {structured, object(`,"data":1,"data_base64":"AA=="`), 400, fault.EventInvalid, "data_base64"},
		"no base64":              {structured, object(`,"data_base64":"?"`), 400, fault.EventInvalid, "base64"},
		"base64 of no JSON":      {structured, object(`,"datacontenttype":"application/json","data_base64":"AA=="`), 400, fault.EventInvalid, "not JSON"},
		"an object as text":      {structured, object(`,"datacontenttype":"text/plain","data":{}`), 400, fault.EventInvalid, "data_base64"},
		"a broken content type":  {structured, object(`,"datacontenttype":"text","data":"x"`), 400, fault.EventInvalid, "datacontenttype"},
		"an escaped control":     {structured, object(`,"key":"a\r\nb"`), 400, fault.EventInvalid, "key"},
		"no array":               {batch, object(""), 400, fault.EventInvalid, "array"},
		"an array with an end":   {batch, "[" + object("") + "] x", 400, fault.EventInvalid, "follows"},
		"a torn array":           {batch, "[" + object("") + ",", 400, fault.EventInvalid, "event 2"},
		"one bad of two":         {batch, "[" + object("") + `,{"id":"2"}]`, 400, fault.EventInvalid, "event 2 of the batch: attribute specversion"},
		"one undeclared of two":  {batch, "[" + object("") + `,{"specversion":"1.0","id":"2","source":"/x","type":"shop.opened"}]`, 403, fault.EventUndeclared, "event 2 of the batch"},
		"too many":               {batch, "[" + strings.Repeat("{},", 1000) + "{}]", 413, fault.EventTooLarge, "1000"},
		"too large a batch":      {batch, "[" + strings.Repeat(" ", cloudevents.MaxBatchBody) + "]", 413, fault.EventTooLarge, "4194304"},
	} {
		resp, a := post(t, url, c.header, c.body)
		if resp.StatusCode != c.status || a.Code != string(c.code) || !strings.Contains(a.Detail, c.says) {
			t.Errorf("%s: %d %s %q, want %d %s that says %s", name, resp.StatusCode, a.Code, a.Detail, c.status, c.code, c.says)
		}
	}
	if n := r.count("order"); n != 0 {
		t.Errorf("%d events were stored all the same", n)
	}
	if _, a := post(t, url, attributes("1", "Ce-Type", "order.eaten"), "{}"); a.Remedy != "add `order.eaten: {}` under provides.events in the service.yaml of order" {
		t.Errorf("remedy = %q", a.Remedy)
	}
	// What a service tries against the plan is in the report.
	report, err := r.room.Report(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int64{}
	for _, v := range report.Violations {
		counts[v.Service+" "+v.Action+" "+v.Subject] = v.Count
	}
	if diff := cmp.Diff(map[string]int64{"order publish event.order.eaten": 2, "order publish event.plat.dead": 1, "order publish event.shop.opened": 2}, counts); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
	// Every mistake of a batch is listed.
	if _, a := post(t, url, batch, `[{"id":"1"},{"id":"2"},{"id":"3"}]`); len(a.Errors) != 3 || !strings.Contains(a.Errors[2].Message, "event 3") {
		t.Errorf("errors = %+v", a.Errors)
	}
}

func manyAttributes() map[string]string {
	h := attributes("1")
	for i := range 13 {
		h[fmt.Sprint("Ce-Key", i)] = strings.Repeat("x", 4000)
	}
	return h
}

func TestWhoMayPublishHow(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	service, operator := serve(t, r.publisher.Service("order")), serve(t, r.publisher.Operator())
	if resp, a := post(t, service, attributes("1", "Origin", "http://evil.example"), "{}"); resp.StatusCode != 403 || a.Code != string(fault.EventOrigin) {
		t.Errorf("a page: %d %+v", resp.StatusCode, a)
	}
	for _, method := range []string{"GET", "PUT", "OPTIONS", "DELETE"} {
		req, err := http.NewRequestWithContext(ctx(t), method, service, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, a := do(t, req); resp.StatusCode != 405 || resp.Header.Get("Allow") != "POST" || a.Code != string(fault.EventMethod) {
			t.Errorf("%s: %d %+v", method, resp.StatusCode, a)
		}
	}
	// An operator publishes in the name of who provides the event.
	for kind, provider := range map[string]string{"order.placed": "order", "shop.opened": "shop"} {
		if resp, a := post(t, operator, attributes("1", "Ce-Type", kind, "Ce-Source", "/operator"), "{}"); resp.StatusCode != 202 || a.Provider != provider || r.count(provider) != 1 {
			t.Errorf("%s: %d %+v", kind, resp.StatusCode, a)
		}
	}
	if resp, a := post(t, operator, attributes("1", "Ce-Type", "order.eaten"), "{}"); resp.StatusCode != 403 || !strings.Contains(a.Detail, "no service declares") {
		t.Errorf("undeclared: %d %+v", resp.StatusCode, a)
	}
	batch := `[{"specversion":"1.0","id":"2","source":"/o","type":"order.placed"},{"specversion":"1.0","id":"2","source":"/o","type":"shop.opened"}]`
	if resp, a := post(t, operator, map[string]string{"Content-Type": "application/cloudevents-batch+json"}, batch); resp.StatusCode != 403 || !strings.Contains(a.Detail, "event 2 of the batch") || r.count("order") != 1 {
		t.Errorf("a batch of two services: %d %+v", resp.StatusCode, a)
	}
}

// A header that net/http's client would not send.
func TestAnAttributeTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	url := serve(t, r.publisher.Service("order"))
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nce-specversion: 1.0\r\nce-id: 1\r\nCE-ID: 2\r\nce-source: /a\r\nce-type: order.placed\r\n\r\n{}")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != 400 || r.count("order") != 0 {
		t.Errorf("%d, %d stored", resp.StatusCode, r.count("order"))
	}
}

func TestAFullDiskIsSaidAtOnceAndPassesBy(t *testing.T) {
	t.Parallel()
	var free atomic.Uint64
	free.Store(1 << 30)
	r := newRig(t, nats.Options{Check: 5 * time.Millisecond, Reserve: 100 << 20, Disk: func(string) (uint64, uint64, error) { return free.Load(), 10 << 30, nil }}, 0)
	url := serve(t, r.publisher.Service("order"))
	n := 0
	publish := func() (*http.Response, answer) {
		n++
		return post(t, url, attributes(fmt.Sprint(n)), "{}")
	}
	if resp, a := publish(); resp.StatusCode != 202 {
		t.Fatalf("with room: %d %+v", resp.StatusCode, a)
	}
	free.Store(99 << 20)
	eventually(t, "publishing is refused", func() bool {
		resp, a := publish()
		return resp.StatusCode == 503 && a.Code == string(fault.EventStoreFull) && resp.Header.Get("Retry-After") == "10"
	})
	before := r.count("order")
	batch := `[{"specversion":"1.0","id":"b1","source":"/o","type":"order.placed"},{"specversion":"1.0","id":"b2","source":"/o","type":"order.placed"}]`
	resp, a := post(t, url, map[string]string{"Content-Type": "application/cloudevents-batch+json"}, batch)
	if resp.StatusCode != 503 || a.Code != string(fault.EventStoreFull) || r.count("order") != before {
		t.Errorf("a batch: %d %+v, %d stored", resp.StatusCode, a, r.count("order")-before)
	}
	free.Store(1 << 30)
	eventually(t, "publishing resumes", func() bool { resp, _ := publish(); return resp.StatusCode == 202 })
}

func TestOneServiceCannotTakeAllTurns(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	greedy, other := serve(t, r.publisher.Service("order")), serve(t, r.publisher.Service("shop"))
	const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nce-specversion: 1.0\r\nce-id: %d\r\nce-source: /a\r\nce-type: order.placed\r\n\r\n"
	var conns []net.Conn
	for i := range 16 { // bodies that do not come
		conn, err := net.Dial("tcp", strings.TrimPrefix(greedy, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := fmt.Fprintf(conn, head, i); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	eventually(t, "the seventeenth is refused", func() bool {
		resp, a := post(t, greedy, attributes("x"), "{}")
		return resp.StatusCode == 503 && a.Code == string(fault.EventBusy) && resp.Header.Get("Retry-After") == "1"
	})
	if resp, a := post(t, other, attributes("x", "Ce-Type", "shop.opened"), "{}"); resp.StatusCode != 202 {
		t.Errorf("another service: %d %+v", resp.StatusCode, a)
	}
	before := r.count("order")
	var group sync.WaitGroup
	for _, conn := range conns {
		group.Go(func() {
			if _, err := conn.Write([]byte("{}")); err != nil {
				t.Error(err)
				return
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
			if resp.StatusCode != 202 {
				t.Errorf("a slow one: %d", resp.StatusCode)
			}
		})
	}
	group.Wait()
	if n := r.count("order") - before; n != 16 {
		t.Errorf("%d stored", n)
	}
}

func TestABrokerThatIsGone(t *testing.T) {
	t.Parallel()
	r := newRig(t, nats.Options{}, 0)
	url := serve(t, r.publisher.Service("order"))
	if err := r.broker.Close(); err != nil {
		t.Fatal(err)
	}
	if resp, a := post(t, url, attributes("1"), "{}"); resp.StatusCode != 503 || a.Code != string(fault.EventUnavailable) || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%d %+v", resp.StatusCode, a)
	}
}
