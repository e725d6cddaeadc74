package prom

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/plat-dev/plat/telemetry"
)

// TakeOTLP keeps the metrics of an OTLP request in protobuf, by the rules of
// Prometheus's own OTLP endpoint: names get the suffixes of their unit and
// type, service.name becomes the label job, service.instance.id the label
// instance, and the other attributes of the resource stand in target_info.
// Deltas are added up, exponential histograms become native ones.
//
// Points that cannot be kept are counted, told by rejected and message (the
// answer's partial success), and do not keep others out. It fails, and keeps
// nothing, when the bytes are no request (telemetry.ErrMalformed), when the disk has no
// room (fault.TelemetryDiskFull) or the store is closed.
func (s *Store) TakeOTLP(ctx context.Context, request []byte) (rejected int64, message string, err error) {
	r := pmetricotlp.NewExportRequest()
	if err := unmarshal(r, request); err != nil {
		return 0, "", fmt.Errorf("these bytes are no ExportMetricsServiceRequest: %w: %w", telemetry.ErrMalformed, err)
	}
	metrics := r.Metrics()
	points := int64(metrics.DataPointCount())
	a, err := s.intake(ctx, int(points))
	if err != nil {
		return 0, "", err
	}
	defer a.done()
	lost, why := s.deltas.addUp(metrics, time.Now())
	converter := prometheusremotewrite.NewPrometheusConverter(lenient{a})
	_, err = converter.FromMetrics(ctx, metrics, prometheusremotewrite.Settings{
		AddMetricSuffixes:                    true,
		LookbackDelta:                        s.opts.Query.Lookback,
		LabelNameUnderscoreSanitization:      true,
		LabelNamePreserveMultipleUnderscores: true,
	})
	if ctx.Err() != nil {
		return 0, "", ctx.Err()
	}
	if err != nil {
		// What cannot be translated is left out, metric by metric.
		lost++
		why = err
	}
	if err := a.Commit(); err != nil {
		return 0, "", err
	}
	if a.why != nil {
		why = a.why
	}
	if rejected = min(points, lost+a.refused); rejected == 0 {
		return 0, "", nil
	}
	return rejected, fmt.Sprintf("%d of %d data points were not kept: %v", rejected, points, why), nil
}

func unmarshal(r pmetricotlp.ExportRequest, request []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return r.UnmarshalProto(request)
}

// lenient goes on where a sample is refused, which the translator would not.
type lenient struct{ *intake }

// Append takes a sample, or counts that it was refused.
func (l lenient) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AOptions) (storage.SeriesRef, error) {
	ref, err := l.intake.Append(ref, ls, st, t, v, h, fh, o)
	if err != nil {
		return 0, nil //nolint:nilerr // it was counted
	}
	return ref, nil
}

// isDelta tells which metrics have values since the last time, not since the
// start.
func isDelta(m pmetric.Metric) bool {
	switch m.Type() {
	case pmetric.MetricTypeSum:
		return m.Sum().AggregationTemporality() == pmetric.AggregationTemporalityDelta
	case pmetric.MetricTypeHistogram:
		return m.Histogram().AggregationTemporality() == pmetric.AggregationTemporalityDelta
	case pmetric.MetricTypeExponentialHistogram:
		return m.ExponentialHistogram().AggregationTemporality() == pmetric.AggregationTemporalityDelta
	}
	return false
}
