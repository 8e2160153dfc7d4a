import java.io.File;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Reads ledgers in a thread of its own, while the cluster is asked for the topic. */
final class LedgerLoader {
    private final List<File> files;
    private final long size;
    private final long began = System.nanoTime();
    private final FutureTask<List<ProducerLedger>> loading = new FutureTask<>(this::load);
    private volatile long loaded;

    LedgerLoader(List<File> files) {
        this.files = files;
        size = files.stream().mapToLong(File::length).sum();
        Thread thread = new Thread(loading, "ledger");
        thread.setDaemon(true);
        thread.start();
    }

    private List<ProducerLedger> load() throws Exception {
        List<ProducerLedger> ledgers = new ArrayList<>();
        for (File file : files) {
            ledgers.addAll(LedgerReader.read(file, bytes -> loaded += bytes));
        }
        return ledgers;
    }

    /** Waits until all ledgers are read, and shows how far it is. */
    List<ProducerLedger> await(Screen screen) throws Exception {
        while (true) {
            try {
                return loading.get(100, TimeUnit.MILLISECONDS);
            } catch (TimeoutException notYet) {
                double share = (double) loaded / Math.max(1, size);
                double seconds = (System.nanoTime() - began) / 1e9;
                String left = Screen.left(share, seconds);
                screen.bar(share, String.format(Locale.ROOT, "ledger, %.1f MB/s, %s", loaded / seconds / 1e6, left));
            }
        }
    }
}
