// SPDX-License-Identifier: MPL-2.0

package xmltext

import (
	"bytes"
	"unicode/utf8"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// MaxFileSize is the largest size of a file, in bytes.
const MaxFileSize = 16 << 20

var utf8BOM = []byte("\xEF\xBB\xBF")

// checkBytes reports problems of a file before it is parsed as XML. It returns the
// bytes to parse, of the same length as the file with everything blanked that XML
// does not allow, the offset where the text starts, and false if parsing makes no
// sense.
func checkBytes(f *File, original int, rep *Report) (data []byte, start int, ok bool) {
	data = f.data
	switch {
	case original > MaxFileSize:
		rep.Errorf(f.at(0, 0), "", "the file has %d bytes; the most is %d", original, MaxFileSize)
		return nil, 0, false
	case isUTF16(data):
		rep.Errorf(f.at(0, 0), "convert it, for instance with iconv -f UTF-16 -t UTF-8", "the file is not in UTF-8 but in UTF-16 or UTF-32")
		return nil, 0, false
	}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		rep.Errorf(f.at(i, i+1), "", "the file has a NUL byte: it is not text")
		return nil, 0, false
	}
	if bytes.HasPrefix(data, utf8BOM) {
		rep.Warnf(f.at(0, len(utf8BOM)), "save the file as UTF-8 without it", "the file begins with a byte order mark")
		start = len(utf8BOM)
	}
	if len(bytes.TrimSpace(data[start:])) == 0 {
		rep.Errorf(f.at(start, start), "", "the file is empty")
		return nil, 0, false
	}
	return blankIllegal(f, rep), start, true
}

func isUTF16(data []byte) bool {
	for _, p := range []string{"\xFE\xFF", "\xFF\xFE", "<\x00", "\x00<", "\x00\x00"} {
		if bytes.HasPrefix(data, []byte(p)) {
			return true
		}
	}
	return false
}

// blankIllegal reports the first character that is not UTF-8, and the first that
// XML forbids, and returns a copy in which all of them are blanked, if there are
// any.
func blankIllegal(f *File, rep *Report) []byte {
	data, copied, broken, control := f.data, false, false, false
	for i := 0; i < len(data); {
		if b := data[i]; b >= ' ' && b < utf8.RuneSelf || b == '\n' || b == '\t' || b == '\r' {
			i++
			continue
		}
		r, n := utf8.DecodeRune(data[i:])
		invalid := r == utf8.RuneError && n == 1
		if !invalid && r >= ' ' && r != 0xFFFE && r != 0xFFFF {
			i += n
			continue
		}
		if invalid && !broken {
			broken = true
			rep.Errorf(f.at(i, i+n), "convert the file, for instance with iconv -f ISO-8859-1 -t UTF-8", "not UTF-8: byte %#02x", data[i])
		}
		if !invalid && !control {
			control = true
			rep.Errorf(f.at(i, i+n), "", "the character %U is not allowed in XML", r)
		}
		if !copied {
			data, copied = bytes.Clone(data), true
		}
		copy(data[i:i+n], "???")
		i += n
	}
	return data
}

var encodingAttr = lazyregexp.New(`encoding\s*=\s*["']([^"']*)["']`)

// checkEncoding reports an XML declaration that names another encoding.
func checkEncoding(f *File, from, to int, rep *Report) {
	m := encodingAttr().FindSubmatchIndex(f.data[from:to])
	if m == nil || bytes.EqualFold(f.data[from+m[2]:from+m[3]], []byte("utf-8")) {
		return
	}
	rep.Errorf(f.at(from+m[2], from+m[3]), "convert the file and write UTF-8 here", "declarations are in UTF-8, not %s", finding.QuoteValue(string(f.data[from+m[2]:from+m[3]])))
}
