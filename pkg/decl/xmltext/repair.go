// SPDX-License-Identifier: MPL-2.0

package xmltext

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// repair reports, in helpful words, the syntax error that encoding/xml found at
// stop, in the token that begins at at. If it is clear what was meant, the
// offending bytes are blanked, so that reading can continue at the same token and
// find further mistakes in the file; then it returns true.
func (r *reader) repair(at, stop int, err error) bool {
	if r.repairs++; r.repairs > maxRepairs || r.rep.Full() {
		r.complete = false
		return false
	}
	if !r.copied {
		r.data, r.copied = bytes.Clone(r.data), true
	}
	var syntax *xml.SyntaxError
	if !errors.As(err, &syntax) {
		return r.give(r.f.at(at, stop), "", "%s", strings.TrimPrefix(errorText(err), "xml: "))
	}
	stop = min(stop, len(r.data))
	switch msg := syntax.Msg; {
	case strings.HasPrefix(msg, "invalid character entity"):
		return r.badReference(at, stop)
	case strings.HasPrefix(msg, "illegal character code"):
		return r.badCharacter(at, stop)
	case strings.HasPrefix(msg, "unescaped ]]>"):
		r.rep.Errorf(r.f.at(stop-3, stop), "write ]]&gt;", `"]]>" outside of a CDATA section`)
		return r.blank(stop-1, stop, '?')
	case strings.HasPrefix(msg, "unescaped <"):
		return r.lessInValue(at, stop-1)
	case strings.HasPrefix(msg, "expected element name after <"):
		return r.lessInText(at)
	case strings.HasPrefix(msg, "unexpected EOF"):
		return r.endOfFile(at)
	}
	if r.data[at] == '<' && r.badTag(at, stop, syntax.Msg) {
		return true
	}
	return r.give(r.f.at(max(at, stop-1), stop), "", "not well-formed XML: %s", syntax.Msg)
}

// give reports an error that ends the reading of the file.
func (r *reader) give(at Place, hint, format string, args ...any) bool {
	r.complete = false
	r.rep.Errorf(at, hint, format, args...)
	return false
}

func errorText(err error) string {
	if err == nil {
		return "not well-formed XML"
	}
	return err.Error()
}

// blank overwrites bytes, and marks the element that they belong to as damaged.
func (r *reader) blank(from, to int, with byte) bool {
	for i := from; i < to; i++ {
		r.data[i] = with
	}
	if len(r.stack) > 0 {
		r.stack[len(r.stack)-1].Damaged = true
	}
	return true
}

// blankTag is blank for bytes of the start tag at at.
func (r *reader) blankTag(at, from, to int, with byte) bool {
	for i := from; i < to; i++ {
		r.data[i] = with
	}
	r.damaged = at
	return true
}

// badReference handles an ampersand that begins no reference. All others in the
// same text are handled at once: a RUN line often has several.
func (r *reader) badReference(at, stop int) bool {
	i := at + max(0, bytes.LastIndexByte(r.data[at:stop], '&'))
	if r.data[i] != '&' {
		return r.give(r.f.at(at, stop), "", "not well-formed XML: invalid reference")
	}
	end := i + 1
	for end < len(r.data) && r.data[end] == '&' {
		end++
	}
	more := end
	for more < len(r.data) && strings.IndexByte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789#_.-", r.data[more]) >= 0 {
		more++
	}
	inTag := r.data[at] == '<'
	switch ampersands := strings.Repeat("&amp;", min(end-i, 4)); {
	case end == i+1 && more > end && more < len(r.data) && r.data[more] == ';':
		r.rep.Errorf(r.f.at(i, more+1), "XML has &amp; &lt; &gt; &quot; &apos; and character codes such as &#228;", "unknown entity %s", finding.QuoteValue(string(r.data[i:more+1])))
	case inTag:
		r.rep.Errorf(r.f.at(i, end), "write "+ampersands, "a bare %s", finding.QuoteValue(string(r.data[i:end])))
	default:
		r.rep.Errorf(r.f.at(i, end), "write "+ampersands+" or use <![CDATA[ ... ]]>", "a bare %s", finding.QuoteValue(string(r.data[i:end])))
	}
	if inTag {
		return r.blankTag(at, i, end, '?')
	}
	r.blank(i, end, '?')
	for i = end; i < len(r.data) && r.data[i] != '<'; i++ {
		if r.data[i] != '&' {
			continue
		}
		if _, _, ok := reference(r.data, i); !ok {
			r.data[i] = '?'
		}
	}
	return true
}

// badCharacter handles references to characters that XML forbids. The decoder
// finds them after the whole text or value.
func (r *reader) badCharacter(at, stop int) bool {
	found := false
	for i := at; i < stop; i++ {
		if r.data[i] != '&' {
			continue
		}
		c, end, ok := reference(r.data[:stop], i)
		if !ok || c >= ' ' && c != 0xFFFE && c != 0xFFFF || c == '\t' || c == '\n' || c == '\r' {
			continue
		}
		if !found {
			r.rep.Errorf(r.f.at(i, end), "", "the character %U is not allowed in XML", c)
		}
		found = true
		if r.data[at] == '<' {
			r.blankTag(at, i, end, '?')
		} else {
			r.blank(i, end, '?')
		}
	}
	if !found {
		return r.give(r.f.at(at, stop), "", "a character that is not allowed in XML")
	}
	return true
}

// lessInText handles a < that begins no tag, such as that of a redirection.
func (r *reader) lessInText(at int) bool {
	end := at + 1
	for end < len(r.data) && r.data[end] == '<' {
		end++
	}
	if len(r.stack) == 0 {
		end = at + 1 // the next < may open the root
	}
	r.rep.Errorf(r.f.at(at, end), "write "+strings.Repeat("&lt;", min(end-at, 4))+" or use <![CDATA[ ... ]]>", "a bare %s", finding.QuoteValue(string(r.data[at:end])))
	return r.blank(at, end, '?')
}

// lessInValue handles a < inside an attribute value.
func (r *reader) lessInValue(at, less int) bool {
	open := at
	for i := at; i < less; i++ { // find the quote that opened the value
		if q := r.data[i]; q == '"' || q == '\'' {
			n := bytes.IndexByte(r.data[i+1:less], q)
			if n < 0 {
				open = i
				break
			}
			i += 1 + n
		}
	}
	if bytes.ContainsAny(r.data[open:less], ">\n") {
		return r.give(r.f.at(open, open+1), "", "this quote is not closed")
	}
	r.rep.Errorf(r.f.at(less, less+1), "write &lt;", `a bare "<" in an attribute value`)
	return r.blankTag(at, less, less+1, '?')
}

// endOfFile reports what is unfinished at the end of the file.
func (r *reader) endOfFile(at int) bool {
	rest := r.data[at:]
	what, n := "tag", 1
	switch {
	case bytes.HasPrefix(rest, []byte("<!--")):
		what, n = "comment", 4
	case bytes.HasPrefix(rest, cdataStart):
		what, n = "CDATA section", len(cdataStart)
	case rest[0] != '<':
		return r.badReference(at, len(r.data))
	}
	return r.give(r.f.at(at, at+n), "", "the file ends inside this %s", what)
}

// badTag handles the errors in start tags that have one obvious cause. It returns
// false if the decoder's own message is the best.
func (r *reader) badTag(at, stop int, msg string) bool {
	d := r.data
	switch {
	case strings.HasPrefix(msg, "unquoted or missing attribute value"):
		eq := at + max(0, bytes.LastIndexByte(d[at:stop-1], '='))
		from, to := nameBefore(d, at, eq)
		end := stop - 1
		for end < len(d) && strings.IndexByte(Blanks+">", d[end]) < 0 && !bytes.HasPrefix(d[end:], []byte("/>")) {
			end++
		}
		r.rep.Errorf(r.f.at(stop-1, max(end, stop)), "write "+string(d[from:to])+`="`+string(d[stop-1:end])+`"`, "the value of %s is not in quotes", finding.QuoteValue(string(d[from:to])))
		return r.blankTag(at, from, end, ' ')
	case strings.HasPrefix(msg, "attribute name without ="):
		from, to := nameBefore(d, at, stop-1)
		if from <= at+1 {
			return false
		}
		r.rep.Errorf(r.f.at(from, to), "write "+string(d[from:to])+`="..."`, "the attribute %s has no value", finding.QuoteValue(string(d[from:to])))
		return r.blankTag(at, from, to, ' ')
	case strings.HasPrefix(msg, "expected attribute name"):
		if stop >= len(d) || strings.IndexByte(Blanks+"=><", d[stop]) >= 0 || d[stop] >= 0x80 {
			return false
		}
		r.rep.Errorf(r.f.at(stop, stop+1), "", "a stray %s", finding.Escape(string(d[stop:stop+1])))
		return r.blankTag(at, stop, stop+1, ' ')
	}
	return false
}

// nameBefore returns the range of the name that ends before i, white space
// aside.
func nameBefore(d []byte, at, i int) (from, to int) {
	for i > at && strings.IndexByte(Blanks+"=", d[i-1]) >= 0 {
		i--
	}
	to = i
	for i > at+1 && strings.IndexByte(Blanks+`=/>"'<`, d[i-1]) < 0 {
		i--
	}
	return i, to
}
