// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"fmt"
	"path/filepath"
	"strings"
)

// aptConf maps lower-case option names such as "acquire::http::proxy" to
// their last value.
type aptConf map[string]string

// readAptConf reads apt.conf.d and apt.conf in apt's order: the last wins.
func readAptConf(root string) (aptConf, error) {
	names, err := partsOf(filepath.Join(root, "etc/apt/apt.conf.d"), "", ".conf")
	if err != nil {
		return nil, err
	}
	conf := aptConf{}
	for _, name := range append(names, filepath.Join(root, "etc/apt/apt.conf")) {
		text, err := readIfThere(name)
		if err != nil {
			return nil, err
		}
		if err := parseAptConf(conf, text); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return conf, nil
}

// parseAptConf adds the options in text to conf. The grammar is that of
// apt.conf(5): NAME "value"; and NAME { ... }; with //, /* */ and # comments.
// List items without a name are of no use here and are skipped.
func parseAptConf(conf aptConf, text string) error {
	tokens, err := lexAptConf(text)
	if err != nil {
		return err
	}
	var scopes [][]string // words in front of each open brace
	var words []string    // words of the statement so far
	for _, t := range tokens {
		switch t {
		case "{":
			scopes, words = append(scopes, words), nil
		case "}", ";":
			conf.set(scopes, words)
			words = nil
			if t == "}" {
				if len(scopes) == 0 {
					return fmt.Errorf("apt configuration: a } without {")
				}
				scopes = scopes[:len(scopes)-1]
			}
		default:
			words = append(words, t)
		}
	}
	if len(scopes) != 0 {
		return fmt.Errorf("apt configuration: a { without }")
	}
	return nil
}

// set stores a statement: an unquoted name, then a value of one word.
func (c aptConf) set(scopes [][]string, words []string) {
	if len(words) != 2 || strings.HasPrefix(words[0], `"`) || strings.HasPrefix(words[0], "#") {
		return
	}
	var name []string
	for _, s := range scopes {
		if len(s) != 1 {
			return
		}
		name = append(name, s[0])
	}
	name = append(name, words[0])
	c[strings.ToLower(strings.Join(name, "::"))] = strings.Trim(words[1], `"`)
}

// lexAptConf splits into words, quoted strings (quotes kept) and { } ;.
func lexAptConf(s string) ([]string, error) {
	var out []string
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			i++
		case strings.HasPrefix(s[i:], "//"), c == '#' && !isDirective(s[i:]):
			i += lineEnd(s[i:])
		case strings.HasPrefix(s[i:], "/*"):
			end := strings.Index(s[i+2:], "*/")
			if end < 0 {
				return nil, fmt.Errorf("apt configuration: a comment does not end")
			}
			i += end + 4
		case c == '{' || c == '}' || c == ';':
			out = append(out, s[i:i+1])
			i++
		case c == '"':
			end := strings.IndexByte(s[i+1:], '"')
			if end < 0 {
				return nil, fmt.Errorf("apt configuration: a string does not end")
			}
			out = append(out, s[i:i+end+2])
			i += end + 2
		default:
			n := strings.IndexAny(s[i:], " \t\r\n{};\"")
			if n < 0 {
				n = len(s) - i
			}
			out = append(out, s[i:i+n])
			i += n
		}
	}
	return out, nil
}

func isDirective(s string) bool {
	return strings.HasPrefix(s, "#clear") || strings.HasPrefix(s, "#include") || strings.HasPrefix(s, "#x-")
}

// lineEnd is the length of s's first line without its newline.
func lineEnd(s string) int {
	if n := strings.IndexByte(s, '\n'); n >= 0 {
		return n
	}
	return len(s)
}
