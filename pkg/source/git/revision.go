// SPDX-License-Identifier: MPL-2.0

package git

import (
	"fmt"
	"strings"
)

// CheckRevision accepts only a commit id, HEAD, or the name of a branch, a tag or
// another ref, by git's own rules for names of refs. So nothing that it accepts is
// an option, a range or an expression.
func CheckRevision(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("an empty revision")
	case len(s) > 1024:
		return fmt.Errorf("a revision of %d characters", len(s))
	case strings.HasPrefix(s, "-"):
		return fmt.Errorf("revision %q begins with a dash", s)
	case s == "HEAD":
		return nil
	case !validRef(s):
		return fmt.Errorf("revision %q is not a commit id or the name of a branch or tag", s)
	}
	return nil
}

// validRef checks a name by the rules of git-check-ref-format(1).
func validRef(s string) bool {
	if s == "" || s == "@" || strings.HasSuffix(s, ".") || strings.Contains(s, "..") || strings.Contains(s, "@{") {
		return false
	}
	for _, r := range s {
		if r <= ' ' || r == 0x7f || r == '\uFFFD' || strings.ContainsRune(`~^:?*[\`, r) {
			return false
		}
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return true
}

// isHex reports whether s has only lower-case hex digits.
func isHex(s string) bool { return s != "" && strings.Trim(s, "0123456789abcdef") == "" }

// isID reports whether s is a full object id.
func isID(s string) bool { return (len(s) == 40 || len(s) == 64) && isHex(s) }

// looksLikeID reports whether a revision is a full object id, in upper or lower
// case: then it cannot be anything else.
func looksLikeID(s string) bool { return isID(strings.ToLower(s)) }

// looksShort reports whether a revision may be an abbreviated commit id.
func looksShort(s string) bool { return len(s) >= 7 && len(s) < 40 && isHex(strings.ToLower(s)) }
