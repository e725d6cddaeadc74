package segment

import (
	"github.com/parquet-go/parquet-go"

	"github.com/plat-dev/plat/telemetry"
)

// kind is what a file holds.
type kind uint8

const (
	spans kind = iota
	logs
)

// String begins the names of files.
func (k kind) String() string { return [...]string{"spans", "logs"}[k] }

// column is a column of either kind of file.
type column uint8

const (
	colTrace column = iota
	colSpan
	colParent
	colTime
	colDuration
	colService
	colInstance
	colVersion
	colResource
	colScope
	colName
	colKind
	colStatus
	colMessage
	colCorrelation
	colMethod
	colRoute
	colCode
	colPeer
	colDestination
	colAttributes
	colEvents
	colLinks
	colSeverity
	colStream
	colBody
	columns // how many there are
)

// promoted attributes have a column of their own; they are text but the last.
func promoted(key string) (column, bool) {
	for c := colMethod; c <= colDestination; c++ {
		if promotedKey(c) == key {
			return c, true
		}
	}
	return 0, false
}

// promotedKey is the attribute that a column is of.
func promotedKey(c column) string {
	switch c {
	case colMethod:
		return "http.request.method"
	case colRoute:
		return "http.route"
	case colPeer:
		return "peer.service"
	case colDestination:
		return "messaging.destination.name"
	case colCode:
		return "http.response.status_code"
	}
	return ""
}

// named is the column that an attribute's key means, in Match and in groups.
func named(key string) (column, bool) {
	switch key {
	case "service.name":
		return colService, true
	case "service.instance.id":
		return colInstance, true
	case "service.version":
		return colVersion, true
	case "plat.correlation_id":
		return colCorrelation, true
	}
	return promoted(key)
}

// definition is a column of a table.
type definition struct {
	column column
	name   string
	node   parquet.Node
}

func coded(n parquet.Node) parquet.Node {
	return parquet.Optional(parquet.Encoded(n, &parquet.RLEDictionary))
}

func loose(n parquet.Node) parquet.Node {
	return parquet.Optional(parquet.Encoded(n, &parquet.DeltaLengthByteArray))
}

func delta(n parquet.Node) parquet.Node { return parquet.Encoded(n, &parquet.DeltaBinaryPacked) }

// definitions are the columns of a kind of file, in order. All but the times
// and severity are optional: what is empty is null.
func definitions(k kind) []definition {
	id := parquet.Leaf(parquet.FixedLenByteArrayType(8))
	moment := delta(parquet.Timestamp(parquet.Nanosecond))
	if k == logs {
		return []definition{
			{colTime, "time", moment},
			{colSeverity, "severity", parquet.Encoded(parquet.Int(32), &parquet.RLEDictionary)},
			{colService, "service", coded(parquet.String())},
			{colInstance, "instance", coded(parquet.String())},
			{colVersion, "version", coded(parquet.String())},
			{colStream, "stream", coded(parquet.String())},
			{colBody, "body", loose(parquet.String())},
			// UUID, though it is none: DuckDB finds nothing by a bloom filter on
			// plain bytes.
			{colTrace, "trace_id", coded(parquet.UUID())},
			{colSpan, "span_id", coded(id)},
			{colCorrelation, "correlation_id", coded(parquet.String())},
			{colMethod, "http_method", coded(parquet.String())},
			{colRoute, "http_route", coded(parquet.String())},
			{colCode, "http_status", coded(parquet.Int(64))},
			{colPeer, "peer_service", coded(parquet.String())},
			{colDestination, "messaging_destination", coded(parquet.String())},
			{colAttributes, "attributes", loose(parquet.JSON())},
			{colScope, "scope", coded(parquet.String())},
			{colResource, "resource", coded(parquet.JSON())},
		}
	}
	return []definition{
		{colTime, "start", moment},
		{colDuration, "duration", delta(parquet.Int(64))},
		{colService, "service", coded(parquet.String())},
		{colInstance, "instance", coded(parquet.String())},
		{colVersion, "version", coded(parquet.String())},
		{colName, "name", coded(parquet.String())},
		{colKind, "kind", coded(parquet.String())},
		{colStatus, "status", coded(parquet.String())},
		{colMessage, "status_message", loose(parquet.String())},
		{colTrace, "trace_id", coded(parquet.UUID())},
		{colSpan, "span_id", parquet.Optional(id)},
		{colParent, "parent_span_id", coded(id)},
		{colCorrelation, "correlation_id", coded(parquet.String())},
		{colMethod, "http_method", coded(parquet.String())},
		{colRoute, "http_route", coded(parquet.String())},
		{colCode, "http_status", coded(parquet.Int(64))},
		{colPeer, "peer_service", coded(parquet.String())},
		{colDestination, "messaging_destination", coded(parquet.String())},
		{colAttributes, "attributes", loose(parquet.JSON())},
		{colEvents, "events", loose(parquet.JSON())},
		{colLinks, "links", loose(parquet.JSON())},
		{colScope, "scope", coded(parquet.String())},
		{colResource, "resource", coded(parquet.JSON())},
	}
}

// group is a parquet.Group whose columns stay in order.
type group struct {
	parquet.Group
	names []string
}

// Fields are the columns in order.
func (g group) Fields() []parquet.Field {
	by := map[string]parquet.Field{}
	for _, f := range g.Group.Fields() {
		by[f.Name()] = f
	}
	fields := make([]parquet.Field, len(g.names))
	for i, name := range g.names {
		fields[i] = by[name]
	}
	return fields
}

func schema(k kind) *parquet.Schema {
	g := group{Group: parquet.Group{}}
	for _, d := range definitions(k) {
		g.Group[d.name] = d.node
		g.names = append(g.names, d.name)
	}
	return parquet.NewSchema(k.String(), g)
}

func statusName(s telemetry.Status) string {
	return [...]string{"", "ok", "error"}[min(s, telemetry.StatusError)]
}

func parseStatus(s string) telemetry.Status {
	for v := telemetry.StatusOK; v <= telemetry.StatusError; v++ {
		if statusName(v) == s {
			return v
		}
	}
	return telemetry.StatusUnset
}

func parseKind(s string) telemetry.SpanKind {
	for v := telemetry.KindInternal; v <= telemetry.KindConsumer; v++ {
		if v.String() == s {
			return v
		}
	}
	return telemetry.KindUnset
}
