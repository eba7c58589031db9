# Completion of verify for fish.
complete --command verify --no-files --keep-order --arguments '(VERIFY_COMPLETE=fish verify -- (commandline -opc) (commandline -ct) 2>/dev/null)'
