// SPDX-License-Identifier: MPL-2.0

package cli

import "context"

// WhileRead does nothing: on Windows, a write that nobody reads is an error and no more.
func WhileRead(ctx context.Context) (context.Context, func()) { return ctx, func() {} }
