// SPDX-License-Identifier: MPL-2.0

package fat

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// dirName is the stored form of a name: the 8.3 name, its lower-case bits, and the
// UTF-16 long name if 8.3 is not enough.
type dirName struct {
	short [11]byte
	lower byte
	long  []uint16
}

const shortPunctuation = "!#$%&'()-@^_`{}~"

// volumeLabel is the 11 bytes of a label, nil for "".
func volumeLabel(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	up := strings.ToUpper(s)
	if len(up) > 11 || strings.TrimSpace(up) != up {
		return nil, fmt.Errorf("label %q: %w", s, ErrLabel)
	}
	for _, c := range []byte(up) {
		if c != ' ' && !shortChar(c) {
			return nil, fmt.Errorf("label %q: %w", s, ErrLabel)
		}
	}
	return []byte(fmt.Sprintf("%-11s", up)), nil
}

// shortChar reports whether c may be in an 8.3 name.
func shortChar(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(shortPunctuation, c) >= 0
}

// checkName refuses names that Linux's vfat or Windows would not accept.
func checkName(name string) error {
	if !utf8.ValidString(name) {
		return fmt.Errorf("%w: not UTF-8", ErrName)
	}
	for _, c := range name {
		if c < 0x20 || c == 0x7F || strings.ContainsRune(`"*/:<>?\|`, c) {
			return fmt.Errorf("%w: character %q", ErrName, c)
		}
	}
	if strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") {
		return fmt.Errorf("%w: ends in a dot or space", ErrName)
	}
	if len(utf16.Encode([]rune(name))) > 255 {
		return fmt.Errorf("%w: longer than 255 UTF-16 units", ErrName)
	}
	return nil
}

// exact gives the 8.3 form of a name that needs no long entries.
func exact(name string) (dirName, bool) {
	base, ext, _ := cutExt(name)
	var n dirName
	if strings.Contains(base, ".") || len(base) == 0 || len(base) > 8 || len(ext) > 3 {
		return n, false
	}
	lb, ok1 := fill(n.short[:8], base)
	le, ok2 := fill(n.short[8:], ext)
	if !ok1 || !ok2 {
		return n, false
	}
	if lb {
		n.lower |= lowerBase
	}
	if le {
		n.lower |= lowerExt
	}
	return n, true
}

// fill stores s upper-cased and padded. It fails for mixed case and for characters
// outside the 8.3 set.
func fill(dst []byte, s string) (lower, ok bool) {
	for i := range dst {
		dst[i] = ' '
	}
	up := asciiUpper(s)
	for _, c := range []byte(up) {
		if !shortChar(c) {
			return false, false
		}
	}
	copy(dst, up)
	hasLower := up != s
	hasUpper := strings.ContainsFunc(s, func(r rune) bool { return r >= 'A' && r <= 'Z' })
	return hasLower, !hasLower || !hasUpper
}

// asciiUpper changes only a-z; strings.ToUpper would turn some other letters into
// ASCII.
func asciiUpper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// cutExt splits at the last dot that is not the first character.
func cutExt(name string) (base, ext string, found bool) {
	if i := strings.LastIndexByte(name, '.'); i > 0 && i < len(name)-1 {
		return name[:i], name[i+1:], true
	}
	return name, "", false
}

// aliases hands out 8.3 aliases that are unique in one directory.
type aliases struct {
	used map[[11]byte]bool
	next map[string]int // by stem: the next number to try
}

// alias is a unique 8.3 name for a long name: the name itself if it differs from
// 8.3 only in case, else STEM~N.
func (a *aliases) alias(name string) [11]byte {
	base, ext, _ := cutExt(strings.TrimLeft(name, ". "))
	b, lossy1 := squeeze(base)
	e, lossy2 := squeeze(ext)
	if len(e) > 3 {
		e, lossy2 = e[:3], true
	}
	whole := !lossy1 && !lossy2 && len(b) <= 8 && len(b) > 0 && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, " ")
	if s := join(b, e); whole && !a.used[s] {
		a.used[s] = true
		return s
	}
	b = b[:min(len(b), 6)]
	key := b + "." + e
	for i := max(a.next[key], 1); ; i++ {
		tail := "~" + strconv.Itoa(i)
		s := join(b[:min(len(b), 8-len(tail))]+tail, e)
		if !a.used[s] {
			a.used[s] = true
			a.next[key] = i + 1
			return s
		}
	}
}

// squeeze maps a name part to 8.3 characters: dots and spaces are dropped, others
// become an underscore. It reports whether anything but case was lost.
func squeeze(s string) (string, bool) {
	lossy := false
	var b strings.Builder
	for _, r := range s {
		if r == '.' || r == ' ' {
			lossy = true
			continue
		}
		if r >= 'a' && r <= 'z' {
			r -= 'a' - 'A'
		}
		if r > 0x7F || !shortChar(byte(r)) {
			r, lossy = '_', true
		}
		b.WriteRune(r)
	}
	return b.String(), lossy
}

func join(base, ext string) (s [11]byte) {
	copy(s[:], fmt.Sprintf("%-8s%-3s", base, ext))
	return s
}
