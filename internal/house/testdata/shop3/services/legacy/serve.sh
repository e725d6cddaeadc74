#!/bin/sh
# An old Perl program behind a shell script, which starts it as a child.
port=${PORT:-8090}
echo "legacy on $port"
perl legacy.pl "$port"
