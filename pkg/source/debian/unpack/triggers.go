// SPDX-License-Identifier: MPL-2.0

package unpack

import (
	"fmt"
	"path"
	"strings"
)

// interest is a line of the control member triggers that declares an interest.
type interest struct {
	trigger string
	noawait bool
}

func (c control) interests() ([]interest, error) {
	var out []interest
	for _, line := range strings.Split(c.member("triggers"), "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "activate") {
			continue
		}
		if len(words) != 2 || !strings.HasPrefix(words[0], "interest") {
			return nil, fmt.Errorf("triggers: %q", line)
		}
		name := words[1]
		if !path.IsAbs(name) && (strings.Contains(name, "/") || name[0] == '.' || name == "File" || name == "Unincorp" || name == "Lock") {
			return nil, fmt.Errorf("triggers: name %q", name)
		}
		out = append(out, interest{name, words[0] == "interest-noawait"})
	}
	return out, nil
}
