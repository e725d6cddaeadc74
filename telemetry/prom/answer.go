package prom

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/annotations"
)

// The types of errors of the HTTP API, and their statuses.
const (
	badData     = "bad_data"
	execution   = "execution"
	canceled    = "canceled"
	timeout     = "timeout"
	internal    = "internal"
	unavailable = "unavailable"
	notFound    = "not_found"
)

func statusOf(kind string) int {
	switch kind {
	case badData:
		return http.StatusBadRequest
	case execution:
		return http.StatusUnprocessableEntity
	case canceled:
		return 499 // as Prometheus says it: the client closed the connection
	case timeout, unavailable:
		return http.StatusServiceUnavailable
	case notFound:
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

// refusal is an answer of the API that is an error.
type refusal struct {
	kind string
	err  error
}

func (r *refusal) Error() string { return r.err.Error() }

func refuse(kind string, format string, a ...any) error {
	return &refusal{kind, fmt.Errorf(format, a...)}
}

// refusalOf finds what kind an error of the engine or the storage is.
func refusalOf(err error) *refusal {
	var r *refusal
	var stopped promql.ErrQueryCanceled
	var late promql.ErrQueryTimeout
	switch {
	case errors.As(err, &r):
		return r
	case errors.Is(err, ErrClosed):
		return &refusal{unavailable, err}
	case errors.As(err, &stopped):
		return &refusal{canceled, err}
	case errors.As(err, &late):
		return &refusal{timeout, err}
	case unreadable(err):
		return &refusal{internal, err}
	case errors.Is(err, context.Canceled):
		return &refusal{canceled, err}
	case errors.Is(err, context.DeadlineExceeded):
		return &refusal{timeout, err}
	}
	return &refusal{execution, err}
}

// answer is what a question of the API found. Where both are set, raw is the
// data, written out already.
type answer struct {
	data     any
	raw      []byte
	warnings annotations.Annotations
	query    string // that the warnings point into
}

// write sends it in Prometheus's envelope.
func (a answer) write(w http.ResponseWriter, r *http.Request) {
	body := []byte(`{"status":"success","data":`)
	if a.raw != nil {
		body = append(body, a.raw...)
	} else {
		data, err := json.Marshal(a.data)
		if err != nil {
			writeRefusal(w, r, &refusal{internal, err})
			return
		}
		body = append(body, data...)
	}
	warnings, infos := a.warnings.AsStrings(a.query, 10, 10)
	for name, texts := range map[string][]string{"warnings": warnings, "infos": infos} {
		if len(texts) > 0 {
			list, _ := json.Marshal(texts)
			body = append(append(body, `,"`+name+`":`...), list...)
		}
	}
	send(w, r, http.StatusOK, append(body, '}'))
}

func writeRefusal(w http.ResponseWriter, r *http.Request, no *refusal) {
	body, _ := json.Marshal(struct {
		Status    string `json:"status"`
		ErrorType string `json:"errorType"`
		Error     string `json:"error"`
	}{"error", no.kind, no.err.Error()})
	send(w, r, statusOf(no.kind), body)
}

// worthPacking is from how many bytes on an answer is compressed.
const worthPacking = 1 << 10

func send(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Add("Vary", "Accept-Encoding")
	if len(body) < worthPacking || !takesGzip(r.Header.Get("Accept-Encoding")) {
		w.WriteHeader(status)
		_, _ = w.Write(body)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	w.WriteHeader(status)
	z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
	_, _ = z.Write(body)
	_ = z.Close()
}

func takesGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, weight, _ := strings.Cut(part, ";")
		if coding = strings.TrimSpace(coding); coding == "gzip" || coding == "*" {
			return strings.ReplaceAll(weight, " ", "") != "q=0"
		}
	}
	return false
}

// appendResult writes the result of a query as the API documents it: times in
// seconds, values as texts.
func appendResult(b []byte, v parser.Value) []byte {
	switch v := v.(type) {
	case promql.Vector:
		return appendList(b, v, func(b []byte, x promql.Sample) []byte {
			b = appendLabels(append(b, `{"metric":`...), x.Metric)
			if x.H != nil {
				return append(appendHistogramAt(append(b, `,"histogram":`...), x.T, x.H), '}')
			}
			return append(appendFloatAt(append(b, `,"value":`...), x.T, x.F), '}')
		})
	case promql.Matrix:
		return appendList(b, v, func(b []byte, x promql.Series) []byte {
			b = appendLabels(append(b, `{"metric":`...), x.Metric)
			if len(x.Floats) > 0 {
				b = appendList(append(b, `,"values":`...), x.Floats, func(b []byte, p promql.FPoint) []byte { return appendFloatAt(b, p.T, p.F) })
			}
			if len(x.Histograms) > 0 {
				b = appendList(append(b, `,"histograms":`...), x.Histograms, func(b []byte, p promql.HPoint) []byte { return appendHistogramAt(b, p.T, p.H) })
			}
			return append(b, '}')
		})
	case promql.Scalar:
		return appendFloatAt(b, v.T, v.V)
	case promql.String:
		return append(appendText(append(appendTime(append(b, '['), v.T), ','), v.V), ']')
	}
	return append(b, "null"...)
}

func appendList[T any](b []byte, list []T, each func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, x := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = each(b, x)
	}
	return append(b, ']')
}

func appendLabels(b []byte, ls labels.Labels) []byte {
	b = append(b, '{')
	first := true
	ls.Range(func(l labels.Label) {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendText(append(appendText(b, l.Name), ':'), l.Value)
	})
	return append(b, '}')
}

func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(text)
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), text...), '"')
}

func appendTime(b []byte, t int64) []byte {
	if t < 0 {
		b, t = append(b, '-'), -t
	}
	b = strconv.AppendInt(b, t/1000, 10)
	if t %= 1000; t != 0 {
		b = append(b, '.', byte('0'+t/100), byte('0'+t/10%10), byte('0'+t%10))
	}
	return b
}

func appendNumber(b []byte, v float64) []byte {
	form := byte('f')
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		form = 'e'
	}
	return append(strconv.AppendFloat(append(b, '"'), v, form, -1, 64), '"')
}

func appendFloatAt(b []byte, t int64, v float64) []byte {
	return append(appendNumber(append(appendTime(append(b, '['), t), ','), v), ']')
}

func appendHistogramAt(b []byte, t int64, h *histogram.FloatHistogram) []byte {
	b = append(appendTime(append(b, '['), t), `,{"count":`...)
	b = appendNumber(b, h.Count)
	b = appendNumber(append(b, `,"sum":`...), h.Sum)
	opened := false
	for it := h.AllBucketIterator(); it.Next(); {
		x := it.At()
		if x.Count == 0 {
			continue
		}
		if !opened {
			b = append(b, `,"buckets":[`...)
		} else {
			b = append(b, ',')
		}
		opened = true
		b = append(b, '[', bounds(x.LowerInclusive, x.UpperInclusive), ',')
		b = append(appendNumber(b, x.Lower), ',')
		b = append(appendNumber(b, x.Upper), ',')
		b = append(appendNumber(b, x.Count), ']')
	}
	if opened {
		b = append(b, ']')
	}
	return append(b, '}', ']')
}

// bounds says which ends belong to a bucket: none 2, lower 1, upper 0, both 3.
func bounds(lower, upper bool) byte {
	switch {
	case lower && upper:
		return '3'
	case lower:
		return '1'
	case upper:
		return '0'
	}
	return '2'
}

func appendExemplars(b []byte, found []exemplar.QueryResult) []byte {
	return appendList(b, found, func(b []byte, x exemplar.QueryResult) []byte {
		b = appendLabels(append(b, `{"seriesLabels":`...), x.SeriesLabels)
		b = appendList(append(b, `,"exemplars":`...), x.Exemplars, func(b []byte, e exemplar.Exemplar) []byte {
			b = appendLabels(append(b, `{"labels":`...), e.Labels)
			b = appendNumber(append(b, `,"value":`...), e.Value)
			return append(appendTime(append(b, `,"timestamp":`...), e.Ts), '}')
		})
		return append(b, '}')
	})
}
