// Package framing refuses requests that other servers may read in another way
// than net/http, which forgives them: lines that end in a bare LF, bare CRs,
// folded lines, a length beside a transfer coding or twice, chunk extensions.
// What plat passes on is framed anew and safe either way; whatever stands
// before or behind it may not be, so none of this passes (RFC 9112, 11.2).
//
// It follows the bytes of a connection below net/http, which goes on to parse
// them; it parses no more than where messages end.
package framing
