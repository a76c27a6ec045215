typedef struct difference { bool (*holds)(const both *both); const char *why; } difference;
static bool none(const both *both) { (void)both; return false; }
static const difference only_ours_accepts[] = {{none, ""}};
static const difference read_otherwise[] = {{none, ""}};
static const difference only_llhttp_accepts[] = {{none, ""}};
