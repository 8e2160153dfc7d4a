import com.sun.source.tree.*;
import com.sun.source.util.*;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import javax.tools.*;

/** What a Java source looks like, as its syntax tree and its lines show it. */
class SourceForm {
    private static final int COLUMNS = 120;
    private static final int METHOD_LINES = 40;

    final Path file;
    final String text;
    final List<String> longMethods = new ArrayList<>();
    final Set<String> names = new TreeSet<>();
    int nestedConditionals;
    private final Set<String> ownTypes = new HashSet<>();

    private SourceForm(CompilationUnitTree unit, SourcePositions positions) throws Exception {
        file = Path.of(unit.getSourceFile().toUri());
        text = Files.readString(file);
        new Scanner(unit, positions).scan(unit, null);
        names.removeAll(ownTypes);
    }

    /** Parses all sources below a folder. */
    static List<SourceForm> below(Path folder) throws Exception {
        List<Path> sources;
        try (Stream<Path> files = Files.walk(folder)) {
            sources = files.filter(file -> file.toString().endsWith(".java"))
                    .sorted()
                    .toList();
        }
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null)) {
            Iterable<? extends JavaFileObject> objects = files.getJavaFileObjectsFromPaths(sources);
            JavacTask task = (JavacTask) compiler.getTask(null, files, problem -> {}, List.of(), null, objects);
            List<SourceForm> forms = new ArrayList<>();
            for (CompilationUnitTree unit : task.parse()) {
                forms.add(new SourceForm(unit, Trees.instance(task).getSourcePositions()));
            }
            return forms;
        }
    }

    /** Returns how many lines are wider than a terminal or a page shows; JBang's directives cannot be wrapped. */
    long wideLines() {
        return text.lines()
                .filter(line -> line.length() > COLUMNS && !line.matches("//[A-Z_]+ .*"))
                .count();
    }

    /** Collects what the rules ask for in one pass. */
    private class Scanner extends TreePathScanner<Void, Void> {
        private final CompilationUnitTree unit;
        private final SourcePositions positions;

        Scanner(CompilationUnitTree unit, SourcePositions positions) {
            this.unit = unit;
            this.positions = positions;
        }

        @Override
        public Void visitClass(ClassTree type, Void nothing) {
            ownTypes.add(type.getSimpleName().toString());
            return super.visitClass(type, nothing);
        }

        @Override
        public Void visitMethod(MethodTree method, Void nothing) {
            long lines =
                    line(positions.getEndPosition(unit, method)) - line(positions.getStartPosition(unit, method)) + 1;
            if (lines > METHOD_LINES) {
                longMethods.add(method.getName() + " " + lines);
            }
            return super.visitMethod(method, nothing);
        }

        private long line(long position) {
            return unit.getLineMap().getLineNumber(position);
        }

        @Override
        public Void visitIdentifier(IdentifierTree name, Void nothing) {
            names.add(name.getName().toString());
            return super.visitIdentifier(name, nothing);
        }

        @Override
        public Void visitConditionalExpression(ConditionalExpressionTree conditional, Void nothing) {
            if (isInConditional(getCurrentPath().getParentPath())) {
                nestedConditionals++;
            }
            return super.visitConditionalExpression(conditional, nothing);
        }

        /** What a call's argument or a lambda says is read on its own. */
        private boolean isInConditional(TreePath path) {
            Tree tree = path.getLeaf();
            if (tree instanceof ConditionalExpressionTree) {
                return true;
            }
            boolean ends = tree instanceof StatementTree
                    || tree instanceof LambdaExpressionTree
                    || tree instanceof MethodInvocationTree
                    || tree instanceof NewClassTree;
            return !ends && path.getParentPath() != null && isInConditional(path.getParentPath());
        }
    }

    /** Returns the groups of files that need each other, each in order. */
    static List<String> cycles(Collection<SourceForm> sources) {
        Map<String, Set<String>> needs = new TreeMap<>();
        Set<String> types = sources.stream().map(SourceForm::type).collect(Collectors.toSet());
        for (SourceForm source : sources) {
            Set<String> needed = new TreeSet<>(source.names);
            needed.retainAll(types);
            needed.remove(source.type());
            needs.put(source.type(), needed);
        }
        Map<String, Set<String>> reaches = new TreeMap<>();
        needs.keySet().forEach(type -> reaches.put(type, reached(type, needs)));
        Set<String> cycles = new TreeSet<>();
        reaches.forEach((type, reached) -> {
            List<String> cycle = reached.stream()
                    .filter(other -> reaches.get(other).contains(type))
                    .toList();
            if (!cycle.isEmpty()) {
                cycles.add(String.join(" ", cycle));
            }
        });
        return List.copyOf(cycles);
    }

    private static Set<String> reached(String type, Map<String, Set<String>> needs) {
        Set<String> reached = new TreeSet<>();
        Deque<String> next = new ArrayDeque<>(needs.get(type));
        while (!next.isEmpty()) {
            String other = next.pop();
            if (reached.add(other)) {
                next.addAll(needs.get(other));
            }
        }
        return reached;
    }

    private String type() {
        return file.getFileName().toString().replace(".java", "");
    }
}
