// Tables of labels: CSV, TSV and CelebA's format.
#include "core/error.h"
#include "fuzz_input.h"
#include "sources/label_table.h"

namespace valley::fuzz {

void run(std::string_view input) {
  const LabelTable table = parse_label_table(input, "table.csv");
  VALLEY_CHECK(table.rows.size() == table.paths.size());
  for (std::size_t column = 0; column < table.columns.size(); ++column)
    VALLEY_CHECK(classes_of_column(table, column).of.size() == table.paths.size());
}

}  // namespace valley::fuzz
