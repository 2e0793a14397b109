// SPDX-License-Identifier: MPL-2.0

package plan

import "strconv"

// defaultPath is the PATH of a step whose image does not set it.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// DefaultEnvironment is the environment of a command whose image does not set any.
func DefaultEnvironment(home string, epoch *int64) map[string]string {
	env := map[string]string{"PATH": defaultPath, "HOME": home, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
	if epoch != nil {
		env["SOURCE_DATE_EPOCH"] = strconv.FormatInt(*epoch, 10)
	}
	return env
}
