import java.util.List;
import java.util.Locale;

/** A table in plain text: each column as wide as its longest cell, two spaces between columns. */
final class TextTable {
    private TextTable() {}

    /** Returns the lines of a table whose first columns are aligned to the left and whose others to the right. */
    static String of(List<List<String>> rows, int leftColumns) {
        StringBuilder text = new StringBuilder();
        for (List<String> row : rows) {
            StringBuilder line = new StringBuilder();
            for (int column = 0; column < row.size(); column++) {
                String alignment = column < leftColumns ? "-" : "";
                String format = "%" + alignment + width(rows, column) + "s  ";
                line.append(String.format(Locale.ROOT, format, row.get(column)));
            }
            text.append(line.toString().stripTrailing()).append('\n');
        }
        return text.toString();
    }

    private static int width(List<List<String>> rows, int column) {
        return rows.stream().mapToInt(row -> row.get(column).length()).max().orElse(0);
    }
}
