package gateway

// testMark carries plat's mark of a test customer. What follows from a
// request that has one is a test: no parcel is sent for it.
const testMark = "Plat-Test"

// takeMark tells of a believed mark, and returns it to be sent on; empty for
// none.
func (x *exchange) takeMark(entering bool) string {
	marks := x.r.Header[testMark]
	if len(marks) != 1 || x.gateway.marked == nil {
		return ""
	}
	journey, ok := x.gateway.marked(marks[0], entering)
	if !ok {
		return ""
	}
	x.Synthetic = journey
	return marks[0]
}
