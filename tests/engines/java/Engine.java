import de.bwaldvogel.mongo.MongoCollection;
import de.bwaldvogel.mongo.MongoDatabase;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.CursorRegistry;
import de.bwaldvogel.mongo.backend.Index;
import de.bwaldvogel.mongo.backend.IndexKey;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.h2.H2Database;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.KeyConstraintError;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.io.IOException;
import java.io.OutputStream;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.h2.mvstore.MVStore;

/**
 * mongo-java-server with its data in a file, as the tests start it: {@code Engine FOLDER}. With
 * {@code Engine -} nothing is kept, for measurements: the file holds documents in Java's own
 * serialization, which takes many times longer than all else that an update does.
 *
 * <p>It prints the URL that it listens on, and ends when its standard input does: however the
 * process that started it ends, no server stays behind.
 */
public final class Engine {

    /** What current clients take: they refuse the wire version 8 that the server's own enum ends with. */
    private static final class CurrentVersion implements MongoVersion {
        @Override
        public List<Integer> getVersionArray() {
            return List.of(6, 0, 0);
        }

        @Override
        public int getWireVersion() {
            return 17;
        }
    }

    /**
     * Keeps what MongoDB promises: {@code j: true}, where left alone the file is up to a second behind
     * the answers; and whole documents, where left alone an answer is sent while the next update
     * changes what it holds, field by field.
     */
    private static final class TrueBackend extends H2Backend {
        private static final Set<String> WRITES =
                Set.of("insert", "update", "delete", "findAndModify", "createIndexes", "dropDatabase");

        private final ReadWriteLock lock = new ReentrantReadWriteLock();

        TrueBackend(String file) {
            super(MVStore.open(file));
            // Else every version of the last 45 seconds is kept, and a pushed message is a new version
            // of its whole document.
            getMvStore().setRetentionTime(0);
        }

        @Override
        public Document handleMessage(MongoMessage message) {
            String command = message.getDocument().keySet().iterator().next();
            if (command.equals("hello")) {
                return super.handleMessage(asItWasCalledBefore(message));
            }
            boolean isWrite = WRITES.contains(command);
            Lock held = isWrite ? lock.writeLock() : lock.readLock();
            held.lock();
            try {
                Document answer = super.handleMessage(message).cloneDeeply();
                if (isWrite) {
                    commit();
                }
                return answer;
            } finally {
                held.unlock();
            }
        }

        @Override
        protected MongoDatabase openOrCreateDatabase(String name) {
            return new IndexedDatabase(name, getMvStore(), getCursorRegistry());
        }

        /** The server knows {@code hello} only by the name that it had until MongoDB 4.4. */
        private static MongoMessage asItWasCalledBefore(MongoMessage message) {
            Document renamed = new Document("isMaster", 1);
            renamed.putAll(message.getDocument());
            renamed.remove("hello");
            return new MongoMessage(message.getChannel(), message.getHeader(), renamed);
        }
    }

    /** Its indexes serve filters that name more than their keys, as those of MongoDB do. */
    private static final class IndexedDatabase extends H2Database {
        IndexedDatabase(String name, MVStore store, CursorRegistry cursors) {
            super(name, store, cursors);
        }

        @Override
        protected Index<Object> openOrCreateUniqueIndex(
                String collection, String name, List<IndexKey> keys, boolean isSparse) {
            Index<Object> index = super.openOrCreateUniqueIndex(collection, name, keys, isSparse);
            boolean isOfIds = keys.size() == 1 && keys.get(0).getKey().equals("_id");
            return isOfIds ? new IdIndex(index, name, keys, isSparse) : index;
        }
    }

    /**
     * Left alone, the server takes this index for {@code {_id: …}} alone, and reads the whole
     * collection where a filter names anything beside it.
     */
    private static final class IdIndex extends Index<Object> {
        private final Index<Object> index;

        IdIndex(Index<Object> index, String name, List<IndexKey> keys, boolean isSparse) {
            super(name, keys, isSparse);
            this.index = index;
        }

        @Override
        public boolean canHandle(Document query) {
            return query.containsKey("_id") && index.canHandle(idIn(query));
        }

        /** What they hold is compared with the whole filter by who asks. */
        @Override
        public Iterable<Object> getPositions(Document query) {
            return index.getPositions(idIn(query));
        }

        private static Document idIn(Document query) {
            return new Document("_id", query.get("_id"));
        }

        @Override
        public Object getPosition(Document document) {
            return index.getPosition(document);
        }

        @Override
        public void checkAdd(Document document, MongoCollection<Object> collection) {
            index.checkAdd(document, collection);
        }

        @Override
        public void add(Document document, Object position, MongoCollection<Object> collection) {
            index.add(document, position, collection);
        }

        @Override
        public Object remove(Document document) {
            return index.remove(document);
        }

        @Override
        public void checkUpdate(Document before, Document after, MongoCollection<Object> collection) {
            index.checkUpdate(before, after, collection);
        }

        @Override
        public void updateInPlace(
                Document before, Document after, Object position, MongoCollection<Object> collection)
                throws KeyConstraintError {
            index.updateInPlace(before, after, position, collection);
        }

        @Override
        public boolean isUnique() {
            return index.isUnique();
        }

        @Override
        public long getCount() {
            return index.getCount();
        }

        @Override
        public long getDataSize() {
            return index.getDataSize();
        }

        @Override
        public void drop() {
            index.drop();
        }
    }

    public static void main(String[] arguments) throws IOException {
        boolean isKept = !arguments[0].equals("-");
        H2Backend backend = new TrueBackend(isKept ? arguments[0] + "/data.h2" : null);
        backend.version(new CurrentVersion());
        MongoServer server = new MongoServer(backend);
        server.bind("127.0.0.1", 0);
        System.out.println("mongodb://127.0.0.1:" + server.getLocalAddress().getPort() + "/");

        System.in.transferTo(OutputStream.nullOutputStream());
        Runtime.getRuntime().halt(0);
    }
}
